from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import stable_baselines3
from stable_baselines3.common.env_util import make_vec_env

from everlearn.training.sac import TrainSAC
from everlearn.wrappers.errors import SettingsError


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"iteration_steps": 0}, "--iteration-steps must be 1 or more, not 0"),
        ({"replay_ratio": -1.0}, "--replay-ratio must be 0 or more, not -1.0"),
        ({"replay_ratio": float("nan")}, "--replay-ratio must be 0 or more, not nan"),
        ({"buffer_size": 0}, "--buffer-size must be 1 or more, not 0"),
        ({"learning_starts": -1}, "--learning-starts must be 0 or more, not -1"),
        ({"learning_rate": 0.0}, "--learning-rate must be more than 0, not 0.0"),
        ({"tau": 1.5}, "--tau must be from 0 to 1, not 1.5"),
        ({"temperature": -0.1}, "--temperature must be auto, or 0 or more, not -0.1"),
        ({"actor_delay": 0}, "--actor-delay must be 1 or more, not 0"),
        ({"adam_beta2": 1.0}, "--adam-beta2 must be 0 or more and less than 1, not 1.0"),
        ({"hidden_sizes": (0,)}, r"--hidden-sizes must be 1 or more each, not \(0,\)"),
        ({"seed": -1}, "--seed must be from 0 to 4294967295, not -1"),
    ],
)
def test_numbers_out_of_range(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        TrainSAC(**settings).check()


def test_the_defaults_are_in_range_and_those_of_sb3() -> None:
    settings = TrainSAC(buffer_size=100)
    settings.check()
    env = make_vec_env("Pendulum-v1", 1)
    ours: Any = settings.build_agent(env, ())
    plain = stable_baselines3.SAC("MlpPolicy", env, buffer_size=100)
    for name in ("learning_rate", "batch_size", "gamma", "tau", "target_entropy", "ent_coef"):
        assert getattr(ours, name) == getattr(plain, name), name
    assert str(ours.policy) == str(plain.policy)
    one, other = (agent.critic.optimizer.param_groups[0] for agent in (ours, plain))
    assert all(one[key] == other[key] for key in ("lr", "betas", "eps", "weight_decay"))


def test_options_reach_the_agent() -> None:
    settings = TrainSAC(
        buffer_size=100,
        n_critics=5,
        target_critics=2,
        actor_value="mean",
        target_value="mean",
        actor_delay=3,
        entropy_backup=False,
        entropy_weights=(0.5,),
        target_update_interval=2,
        layer_norm="critic",
        residual_blocks=True,
        hidden_sizes=(8, 8),
        actor_sizes=(4,),
        decoupled_weight_decay=True,
        bfloat16=True,
        replay_ratio=20,
        backend="eager",
    )
    agent: Any = settings.build_agent(make_vec_env("Pendulum-v1", 1), ())
    assert agent.options == {
        "actor_delay": 3,
        "target_critics": 2,
        "actor_value": "mean",
        "target_value": "mean",
        "entropy_backup": False,
        "entropy_weights": (0.5,),
        "bfloat16": True,
    }
    assert (agent.target_update_interval, agent.ratio.value) == (2, 20)
    assert agent.backend_in_use == "eager"
    assert len(agent.critic.q_networks) == 5
    assert type(agent.critic.q_networks[0][3]).__name__ == "Residual"
    assert agent.actor.latent_pi[0].out_features == 4
    assert agent.critic.optimizer.param_groups[0]["decoupled_weight_decay"]


def test_the_learner_is_sac_alone() -> None:
    learner = TrainSAC(seed=3).learner()
    assert learner["replay_ratio"] == 1.0
    assert not {"seed", "stream", "total_steps", "runs_folder", "n_envs"} & set(learner)


@pytest.mark.parametrize(("total", "whole"), [(1, 1000), (1000, 1000), (2001, 3000)])
def test_the_last_iteration_is_run_to_its_end(total: int, whole: int) -> None:
    assert TrainSAC(total_steps=total).whole_steps == whole


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"n_steps": 0}, "--n-steps must be 1 or more, not 0"),
        ({"present_share": 0.5}, "--present-share must be left out without --replay per-task"),
        ({"earlier_share": 1.5}, "--earlier-share must be from 0 to 1, not 1.5"),
        ({"replay": "reservoir", "n_steps": 3}, "--replay reservoir keeps single transitions"),
        (
            {"memmap_folder": "no/such"},
            "--memmap-folder must be a folder that is there, not no/such",
        ),
        (
            {"earlier_runs": ("x",), "normalize_rewards": True},
            "does not go with --normalize-observations or --normalize-rewards",
        ),
    ],
)
def test_replay_that_cannot_be(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        TrainSAC(**settings).check()


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"n_steps": 3}, "LeanReplayBuffer"),
        ({"replay": "reservoir"}, "ReservoirReplayBuffer"),
        ({"replay": "per-task", "present_share": 0.5}, "TaskReplayBuffer"),
    ],
)
def test_replay_buffers(settings: dict[str, Any], kind: str, tmp_path: Path) -> None:
    env = make_vec_env("Pendulum-v1", 1)
    given = TrainSAC(buffer_size=100, memmap_folder=str(tmp_path), **settings)
    agent: Any = given.build_agent(env, ())
    assert type(agent.replay_buffer).__name__ == kind
    assert getattr(agent.replay_buffer, "n_steps", 1) == settings.get("n_steps", 1)
    assert agent.replay_buffer_kwargs["memmap_folder"] == str(tmp_path)
    assert "memmap_folder" not in given.learner()
