from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sb3_contrib
import torch
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3.common.logger import KVWriter, Logger

from everlearn.agents import load_checkpoint, save_checkpoint
from everlearn.agents.method import Method, overrides
from everlearn.agents.recurrent_ppo import _CLOSED, RecurrentPPO, process_sequence
from everlearn.agents.registry import make_method, method_names
from everlearn.agents.retention.retention_method import RetentionMethod
from everlearn.wrappers.errors import SettingsError

SETTINGS: dict[str, Any] = {
    "n_steps": 32,
    "batch_size": 16,
    "n_epochs": 2,
    "seed": 3,
    "device": "cpu",
    "policy_kwargs": {"net_arch": [8], "lstm_hidden_size": 6},
}
OPEN = {
    *("cautious", "core", "equal-betas-adam", "lion", "trac", "upgd"),
    *("infinite-schedule", "l2", "l2-init", "parseval", "spectral", "wasserstein"),
}
"""Methods that may be used."""


def build(kind: Any = RecurrentPPO, env: str = "CartPole-v1", **own: Any) -> Any:
    return kind("MlpLstmPolicy", env, **{**SETTINGS, **own})


@pytest.mark.parametrize(
    ("env", "own"),
    [
        ("CartPole-v1", {}),
        pytest.param(
            "Pendulum-v1", {"use_sde": True, "clip_range_vf": 0.1}, marks=pytest.mark.slow
        ),
        pytest.param(
            "Pendulum-v1",
            {"target_kl": 1e-6, "policy_kwargs": {"n_lstm_layers": 2, "lstm_hidden_size": 6}},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_without_methods_it_is_plain_sb3_contrib(
    env: str, own: dict[str, Any], same: Callable[..., bool]
) -> None:
    plain = build(sb3_contrib.RecurrentPPO, env, **own).learn(2 * 32)
    ours = build(env=env, backend="reference", **own).learn(2 * 32)
    assert same(plain.policy, ours.policy)


@pytest.mark.parametrize("starts", [0.0, 1.0])
def test_whole_sequences_come_to_the_same(starts: float) -> None:
    torch.manual_seed(0)
    lstm = torch.nn.LSTM(3, 5, num_layers=2).double()
    features = torch.randn(4 * 7, 3).double()
    before = torch.randn(2, 4, 5).double(), torch.randn(2, 4, 5).double()
    begins = torch.zeros(4, 7).double()
    begins[1:, 0] = starts
    wanted, after = RecurrentActorCriticPolicy._process_sequence(
        features, before, begins.flatten(), lstm
    )
    got, states = process_sequence(features, before, begins.flatten(), lstm)
    torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-12)
    for one, other in zip(states, after, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    # Also where an episode begins in the middle, which the rollout buffer never asks for.
    begins[2, 3] = 1.0
    wanted, _ = RecurrentActorCriticPolicy._process_sequence(
        features, before, begins.flatten(), lstm
    )
    assert torch.equal(process_sequence(features, before, begins.flatten(), lstm)[0], wanted)


def test_the_fused_update_is_the_references_up_to_rounding() -> None:
    # Each from the seed, so that they draw the same minibatches.
    reference, fused = (build(backend=backend).learn(32) for backend in ("reference", "fused"))
    one, other = (
        torch.nn.utils.parameters_to_vector(agent.policy.parameters()).detach()
        for agent in (reference, fused)
    )
    assert (one - other).norm() <= 1e-5 * one.norm()
    assert not torch.equal(one, torch.nn.utils.parameters_to_vector(build().policy.parameters()))


@pytest.mark.parametrize("name", method_names())
def test_a_method_is_used_or_refused_with_a_sentence(name: str) -> None:
    method = make_method(name)
    if name in OPEN:
        agent = build(methods=[method]).learn(32)
        assert [type(one) for one in agent.methods] == [type(method)]
        named = {p for part in agent.parts for p in part.parameters}
        assert named == set(agent.policy.parameters())
        assert set(agent.policy.lstm_actor.parameters()) <= set(agent.parts[0].parameters)
        return
    with pytest.raises(SettingsError, match=f"'{name}' (cannot be used|needs an agent)"):
        build(methods=[method])


def test_what_is_open_follows_from_the_seams() -> None:
    for name in OPEN:
        method = make_method(name)
        assert not overrides(method, *_CLOSED)
        assert not isinstance(method, RetentionMethod)


@pytest.mark.parametrize("methods", [[], ["l2-init", "upgd", "infinite-schedule"]])
@pytest.mark.parametrize("backend", ["fused", pytest.param("reference", marks=pytest.mark.slow)])
def test_from_a_checkpoint_it_goes_on_to_the_last_bit(
    methods: list[str], backend: str, same: Callable[..., bool], tmp_path: Path
) -> None:
    def make() -> Any:
        made: list[Method] = [make_method(name) for name in methods]
        return build(methods=made, backend=backend)

    whole, second = make(), make()
    whole.learn(2 * 32)
    save_checkpoint(whole, tmp_path)
    memory = whole._last_lstm_states
    whole.learn(2 * 32, reset_num_timesteps=False)
    load_checkpoint(tmp_path, second)
    assert type(second._last_lstm_states) is type(memory)
    assert all(
        torch.equal(*pair) for pair in zip(second._last_lstm_states.vf, memory.vf, strict=True)
    )
    assert not torch.equal(memory.pi[0], torch.zeros_like(memory.pi[0]))
    second.learn(2 * 32, reset_num_timesteps=False)
    assert same(whole.policy, second.policy)
    assert all(
        torch.equal(*pair)
        for pair in zip(second._last_lstm_states.pi, whole._last_lstm_states.pi, strict=True)
    )


def test_a_checkpoint_of_sb3_contribs_own_agent(same: Callable[..., bool], tmp_path: Path) -> None:
    whole, second = (build(sb3_contrib.RecurrentPPO) for _ in range(2))
    whole.learn(32)
    save_checkpoint(whole, tmp_path)
    whole.learn(32, reset_num_timesteps=False)
    load_checkpoint(tmp_path, second)
    second.learn(32, reset_num_timesteps=False)
    assert same(whole.policy, second.policy)


def test_save_and_load(same: Callable[..., bool]) -> None:
    agent, file = build(methods=[make_method("l2-init")]).learn(32), io.BytesIO()
    agent.save(file)
    loaded = RecurrentPPO.load(file, env=agent.get_env(), device="cpu")
    assert same(agent.policy, loaded.policy)
    assert loaded.methods[0].settings() == agent.methods[0].settings()
    assert loaded.policy._process_sequence is process_sequence
    loaded.learn(32)
    plain = sb3_contrib.RecurrentPPO.load(file, env=agent.get_env(), device="cpu")
    assert same(agent.policy, plain.policy)
    observations = np.ones((1, 4), dtype=np.float32)
    ours, theirs = (one.predict(observations, deterministic=True) for one in (agent, plain))
    assert ours[0] == theirs[0]


def test_a_row_of_the_log_holds_a_whole_iteration() -> None:
    class Rows(KVWriter):
        def __init__(self) -> None:
            self.rows: list[dict[str, Any]] = []

        def write(self, key_values: dict[str, Any], *_: Any) -> None:
            self.rows.append(dict(key_values))

    agent, rows = build(), Rows()
    agent.set_logger(Logger(None, [rows]))
    agent.learn(2 * 32)
    assert [row["train/n_updates"] for row in rows.rows] == [2, 4]
    assert [row["time/total_timesteps"] for row in rows.rows] == [32, 64]


def test_settings_that_cannot_be_used() -> None:
    with pytest.raises(SettingsError, match="unknown backend 'compiled'"):
        build(backend="compiled")
