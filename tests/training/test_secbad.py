from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from everlearn.agents import PPO, SAC
from everlearn.agents.recurrent_ppo import RecurrentPPO
from everlearn.agents.secbad import InferContext
from everlearn.envs import make_vec_env
from everlearn.training.secbad import PUBLISHED_PPO, TrainSeCBAD
from everlearn.training.train import plan_run
from everlearn.wrappers.errors import SettingsError


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"context": "secbed"}, "setting 'kind' must be one of"),
        ({"context": "secbad:n_age=3"}, "unknown context secbad setting 'n_age': did you mean"),
        ({"context": "secbad:n_ages=3"}, "setting 'n_ages' must be at least segment_mean, not 3"),
        ({"context": "secbad:kind=window"}, "the kind of context inference comes first: window"),
        ({"base": "dqn"}, "unknown base 'dqn'"),
        ({"base": "ppo:n_epoch=3"}, "unknown base ppo setting 'n_epoch': did you mean 'n_epochs'"),
        ({"base": "ppo:seed=3"}, "'seed' is no setting of --base but of the script"),
        ({"base": "recurrent-ppo:lstm=3"}, "unknown base recurrent-ppo setting 'lstm'"),
        ({"base": "recurrent-ppo:lstm_size=0"}, "--lstm-size must be 1 or more, not 0"),
        ({"base": "ppo:gamma=2"}, r"--gamma must be from 0 to 1, not 2\.0"),
        ({"seed": -1}, "--seed must be from 0 to 4294967295, not -1"),
        (
            {"stream": "everlearn/SlipperyAnt-v0:boundary_labels=none"},
            "learns from boundaries, of which the stream .* tells none: take secbad:labels=no",
        ),
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        TrainSeCBAD(**settings).check()


def test_nobody_else_needs_boundaries() -> None:
    for context in ("secbad:labels=no", "window", "varibad", "history", "memoryless", "oracle"):
        TrainSeCBAD(context=context, stream="everlearn/SlipperyAnt-v0:boundary_labels=none").check()


def test_the_learner_is_base_and_inference() -> None:
    learner = TrainSeCBAD(seed=3).learner()
    assert learner["base"] == "ppo"
    assert learner["n_steps"] == 256
    assert learner["context"]["kind"] == "secbad"
    assert all(learner[name] == value for name, value in PUBLISHED_PPO.items())
    assert not {"seed", "stream", "total_steps", "runs_folder"} & set(learner)
    other = TrainSeCBAD(base="sac:iteration_steps=500,tau=0.01", total_steps=1200)
    assert other.learner()["tau"] == 0.01
    assert (other.iteration_length, other.whole_steps) == (500, 1500)


def test_help_tells_what_ppo_begins_from() -> None:
    words = str(TrainSeCBAD.__doc__).replace("\n", " ").replace(" ", "").replace("[", "(")
    for name, value in PUBLISHED_PPO.items():
        assert f"{name}={value}".replace(" ", "").rstrip(")") in words, name


def test_every_setting_tells_runs_apart(tmp_path: Path) -> None:
    given = (
        TrainSeCBAD(),
        TrainSeCBAD(context="secbad:window=7"),
        TrainSeCBAD(context="varibad"),
        TrainSeCBAD(base="ppo:gamma=0.9"),
        TrainSeCBAD(base="recurrent-ppo"),
    )
    folders = {plan_run(replace(one, runs_folder=str(tmp_path))).folder for one in given}
    assert len(folders) == len(given)


def test_the_base_learns_on_what_is_inferred() -> None:
    env = make_vec_env("everlearn/CartPoleForceSign-v0", n_envs=2, seed=0)
    agent: Any = TrainSeCBAD(n_envs=2, base="ppo:n_steps=4,batch_size=4").build_agent(env, ())
    assert isinstance(agent, PPO)
    assert isinstance(agent.env, InferContext)
    assert agent.observation_space.shape == (14,)
    with pytest.raises(SettingsError, match="sac cannot use the action space Discrete"):
        TrainSeCBAD(base="sac").build_agent(env, ())
    base = "recurrent-ppo:n_steps=4,batch_size=4,lstm_size=5"
    agent = TrainSeCBAD(n_envs=2, context="memoryless", base=base).build_agent(env, ())
    assert isinstance(agent, RecurrentPPO)
    assert agent.observation_space.shape == (4,)
    env = make_vec_env("everlearn/CataclysmicCartPole-v0", n_envs=2, seed=0)
    assert isinstance(TrainSeCBAD(base="sac:buffer_size=10").build_agent(env, ()), SAC)
