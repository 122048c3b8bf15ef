from __future__ import annotations

import inspect
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import stable_baselines3
import torch
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import CheckpointCallback, EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from torch import nn

from everlearn.agents import SAC, ContinualBackprop
from everlearn.agents.replay.buffers import LeanReplayBuffer
from everlearn.wrappers.errors import SettingsError

PLAIN = stable_baselines3.SAC


def worlds(n_envs: int) -> Any:
    return make_vec_env("Pendulum-v1", n_envs, seed=0)


@pytest.mark.parametrize("n_envs", [1, 2])
def test_parameters_after_200_updates_are_those_of_sb3(
    n_envs: int, build: Callable[..., Any], same: Callable[..., bool]
) -> None:
    settings = {"train_freq": 1}
    plain = build(PLAIN, worlds(n_envs), **settings).learn(n_envs * 240)
    ours = build(SAC, worlds(n_envs), backend="reference", **settings).learn(n_envs * 240)
    assert plain._n_updates == ours._n_updates >= 200
    assert same(plain.policy, ours.policy)
    assert torch.equal(plain.log_ent_coef, ours.log_ent_coef)
    assert isinstance(ours.replay_buffer, LeanReplayBuffer)


class Named(gymnasium.ObservationWrapper[Any, Any, Any]):
    def __init__(self) -> None:
        super().__init__(gymnasium.make("Pendulum-v1"))
        self.observation_space = gymnasium.spaces.Dict({"all": self.env.observation_space})

    def observation(self, observation: Any) -> Any:
        return {"all": np.asarray(observation)}


@pytest.mark.parametrize(
    "settings",
    [
        {"use_sde": True},
        {"ent_coef": 0.1, "gamma": 0.9, "target_update_interval": 3, "gradient_steps": 2},
        {"train_freq": (1, "episode"), "gradient_steps": 9},
        {"policy_kwargs": {"net_arch": [], "n_critics": 3, "share_features_extractor": True}},
        {"n_steps": 3},
        {
            "optimize_memory_usage": True,
            "replay_buffer_kwargs": {"handle_timeout_termination": False},
        },
    ],
)
def test_without_methods_it_is_plain_sb3_in_corners(
    settings: dict[str, Any], build: Callable[..., Any], same: Callable[..., bool]
) -> None:
    plain, ours = (
        build(
            kind, **own, **{**settings, "policy_kwargs": dict(settings.get("policy_kwargs", {}))}
        ).learn(220)
        for kind, own in ((PLAIN, {}), (SAC, {"backend": "reference"}))
    )
    assert plain._n_updates == ours._n_updates > 0
    assert same(plain.policy, ours.policy)


def test_normalised_and_named_worlds_are_learned_as_by_sb3(
    build: Callable[..., Any], same: Callable[..., bool]
) -> None:
    plain = build(PLAIN, VecNormalize(worlds(2))).learn(120)
    ours = build(SAC, VecNormalize(worlds(2)), backend="reference").learn(120)
    assert same(plain.policy, ours.policy)
    settings: dict[str, Any] = {
        "learning_starts": 20,
        "buffer_size": 200,
        "batch_size": 8,
        "seed": 0,
    }
    one, other = (
        kind("MultiInputPolicy", Named(), device="cpu", **settings).learn(60)
        for kind in (PLAIN, SAC)
    )
    assert same(one.policy, other.policy)


def test_the_zip_names_nothing_of_ours(build: Callable[..., Any]) -> None:
    agent, file = build(SAC, replay_ratio=0.5), io.BytesIO()
    agent.learn(60)
    agent.save(file)
    data = zipfile.ZipFile(file).read("data").decode()
    assert "everlearn" not in data
    plain = PLAIN.load(file, env=agent.get_env(), device="cpu")
    assert type(plain.replay_buffer) is ReplayBuffer
    plain.learn(60)


def test_the_replay_buffer_can_be_saved(build: Callable[..., Any], tmp_path: Path) -> None:
    agent = build(SAC).learn(60)
    agent.save_replay_buffer(tmp_path / "buffer.pkl")
    other = build(SAC)
    other.load_replay_buffer(tmp_path / "buffer.pkl")
    assert other.replay_buffer.size() == 60
    other.learn(40)
    asked = build(SAC, replay_buffer_class=ReplayBuffer)
    assert type(asked.replay_buffer) is ReplayBuffer


def test_tools_of_sb3_work(build: Callable[..., Any], tmp_path: Path) -> None:
    method = ContinualBackprop(replacement_rate=0.1, maturity=2)
    agent = build(SAC, methods=[method], tensorboard_log=str(tmp_path / "logs"), iteration_steps=40)
    evaluation = DummyVecEnv([lambda: gymnasium.make("Pendulum-v1", max_episode_steps=20)])
    callbacks = [
        EvalCallback(
            evaluation,
            eval_freq=40,
            n_eval_episodes=1,
            verbose=0,
            best_model_save_path=str(tmp_path / "best"),
            warn=False,
        ),
        CheckpointCallback(40, str(tmp_path), name_prefix="agent", save_replay_buffer=True),
    ]
    agent.learn(100, callback=callbacks)
    mean, _ = evaluate_policy(agent, evaluation, n_eval_episodes=2, warn=False)
    assert isinstance(mean, float)
    saved = SAC.load(tmp_path / "agent_80_steps.zip", device="cpu")
    assert saved.methods[0].settings() == method.settings()
    assert (tmp_path / "best" / "best_model.zip").exists()
    assert list((tmp_path / "logs").rglob("events*"))


@pytest.mark.parametrize(("layer_norm", "of_actor"), [("critic", 0), ("both", 2)])
def test_layer_norm(
    layer_norm: str, of_actor: int, build: Callable[..., Any], same: Callable[..., bool]
) -> None:
    agent = build(SAC, layer_norm=layer_norm)

    def count(network: nn.Module) -> int:
        return sum(isinstance(module, nn.LayerNorm) for module in network.modules())

    assert (count(agent.actor), count(agent.critic), count(agent.critic_target)) == (of_actor, 4, 4)
    names = [type(module).__name__ for module in agent.critic.q_networks[1]]
    assert names == ["Linear", "LayerNorm", "ReLU", "Linear", "LayerNorm", "ReLU", "Linear"]
    trained = [p for group in agent.critic.optimizer.param_groups for p in group["params"]]
    assert len(trained) == 2 * (3 + 2) * 2
    before = agent.critic.q_networks[0][1].weight.detach().clone()
    agent.learn(60)
    assert not torch.equal(agent.critic.q_networks[0][1].weight, before)
    file = io.BytesIO()
    agent.save(file)
    assert same(SAC.load(file, device="cpu").policy, agent.policy)
    assert same(PLAIN.load(file, device="cpu").policy, agent.policy)


def test_residual_blocks_are_saved(build: Callable[..., Any], same: Callable[..., bool]) -> None:
    sizes = {"net_arch": {"pi": [8, 8], "qf": [6, 6, 6]}}
    agent = build(SAC, layer_norm="both", residual_blocks=True, policy_kwargs=sizes).learn(60)
    file = io.BytesIO()
    agent.save(file)
    for loaded in (SAC.load(file, device="cpu"), PLAIN.load(file, device="cpu")):
        assert same(loaded.policy, agent.policy)
        assert str(loaded.policy) == str(agent.policy)


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        ({"backend": "refrence"}, "unknown backend 'refrence': did you mean 'reference'?"),
        ({"methods": [ContinualBackprop]}, "a method must be like ContinualBackprop()"),
        ({"iteration_steps": 0}, "iteration_steps must be 1 or more, not 0"),
        ({"replay_ratio": -1}, "replay_ratio must be 0 or more, not -1"),
        ({"replay_ratio": 1, "gradient_steps": 2}, "replay_ratio takes the place of"),
        ({"layer_norm": "critics"}, "unknown layer_norm 'critics': did you mean 'critic'?"),
    ],
)
def test_wrong_arguments(own: dict[str, Any], sentence: str, build: Callable[..., Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        build(SAC, **own)
    assert sentence in str(caught.value)


def test_signature_is_that_of_sb3_and_more() -> None:
    ours = inspect.signature(SAC.__init__).parameters
    theirs = inspect.signature(PLAIN.__init__).parameters
    assert list(ours)[: len(theirs)] == list(theirs)
    for name, parameter in theirs.items():
        assert ours[name].default == parameter.default
    for name in list(ours)[len(theirs) :]:
        assert ours[name].kind is inspect.Parameter.KEYWORD_ONLY
