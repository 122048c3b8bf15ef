from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sb3_contrib
import torch

from everlearn.agents.recurrent_ppo import RecurrentPPO
from everlearn.envs import make_vec_env
from everlearn.training.collect import load_agent
from everlearn.training.recurrent_ppo import TrainRecurrentPPO
from everlearn.training.train import train
from everlearn.wrappers.errors import SettingsError

SMALL: dict[str, Any] = {"n_envs": 1, "n_steps": 8, "batch_size": 8, "lstm_size": 5}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"n_epochs": 0}, "--n-epochs must be more than 0, not 0"),
        ({"entropy_coefficient": -1.0}, "--entropy-coefficient must be 0 or more"),
        ({"gamma": 1.5}, "--gamma must be from 0 to 1"),
        ({"lstm_layers": 0}, "--lstm-layers must be 1 or more, not 0"),
        ({"batch_size": 1}, "--batch-size must be 2 or more, not 1"),
        (
            {"n_envs": 1, "n_steps": 9, "batch_size": 4},
            "--batch-size must be such that no minibatch is left with a single transition, not 4",
        ),
        ({"hidden_sizes": (0,)}, "--hidden-sizes must be 1 or more each"),
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        TrainRecurrentPPO(**settings).check()


def test_methods_that_cannot_be_used_write_nothing(tmp_path: Path) -> None:
    settings = TrainRecurrentPPO(**SMALL, methods=("redo",), runs_folder=str(tmp_path))
    with pytest.raises(SettingsError, match="'redo' cannot be used with RecurrentPPO, which takes"):
        train(settings)
    assert not any(tmp_path.iterdir())


def test_the_defaults_are_sb3_contribs() -> None:
    env = make_vec_env("everlearn/CartPoleForceSign-v0", n_envs=2, seed=0)
    ours: Any = TrainRecurrentPPO(n_envs=2).build_agent(env, ())
    theirs: Any = sb3_contrib.RecurrentPPO("MlpLstmPolicy", env, device="cpu", seed=0)
    for name in ("n_steps", "batch_size", "n_epochs", "learning_rate", "gamma", "gae_lambda"):
        assert getattr(ours, name) == getattr(theirs, name)
    for name in ("ent_coef", "vf_coef", "max_grad_norm"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.clip_range(1) == theirs.clip_range(1)
    assert isinstance(ours, RecurrentPPO)
    for one, other in zip(ours.policy.parameters(), theirs.policy.parameters(), strict=True):
        assert torch.equal(one, other)


def test_sets_are_not_collected_without_its_memory(tmp_path: Path) -> None:
    env = make_vec_env("everlearn/CataclysmicCartPole-v0", n_envs=1, seed=0)
    TrainRecurrentPPO(**SMALL).build_agent(env, ()).save(tmp_path / "agent.zip")
    with pytest.raises(SettingsError, match="has a memory, which sets are collected without"):
        load_agent(str(tmp_path / "agent.zip"), env)


def test_evaluations_keep_a_memory_within_episodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = RecurrentPPO.predict, []

    def predict(self: Any, observation: Any, state: Any, episode_start: Any, **given: Any) -> Any:
        actions, after = real(self, observation, state, episode_start, **given)
        calls.append((state, episode_start, after))
        return actions, after

    monkeypatch.setattr(RecurrentPPO, "predict", predict)
    train(TrainRecurrentPPO(**SMALL, total_steps=64, evaluate_every=8, runs_folder=str(tmp_path)))
    begins = [number for number, (state, _, _) in enumerate(calls) if state is None]
    assert len(begins) == 2
    for number, (state, starts, _) in enumerate(calls):
        assert starts.all() == (number in begins)
        assert state is None or state is calls[number - 1][2]
    # Where an episode ends before others do, the next begins without its memory.
    assert any(starts.any() and not starts.all() for _, starts, _ in calls)
