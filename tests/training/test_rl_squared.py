from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing import event_accumulator  # type: ignore[import-untyped]

from everlearn.agents import PPO
from everlearn.agents.rl_squared import Trials
from everlearn.envs import make_stream, make_vec_env
from everlearn.evaluation.records import read_run, read_table
from everlearn.training.rl_squared import TrainRLSquared, split_contexts
from everlearn.training.train import plan_run, train
from everlearn.wrappers.errors import SettingsError

SMALL = TrainRLSquared(
    stream="everlearn/CartPoleForces-v0:horizon=15",
    base="recurrent-ppo:n_steps=32,batch_size=32,n_epochs=1,lstm_size=5,hidden_sizes=[]",
    episodes=2,
    levels=6,
    held_out=3,
    evaluation_episodes=2,
    total_steps=128,
    n_envs=2,
    evaluate_every=1,
)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"episodes": 0}, "--episodes must be 1 or more, not 0"),
        ({"levels": 0}, "--levels must be 1 or more, not 0"),
        ({"held_out": 0}, "--held-out must be 1 or more, not 0"),
        ({"base": "sac"}, "unknown base 'sac': .*ppo.*recurrent-ppo"),
        ({"base": "recurrent-ppo:gamma=2"}, "--gamma must be from 0 to 1"),
        ({"sampling": "random"}, "setting 'kind' must be one of"),
        ({"sampling": "prioritized:heat=1"}, "unknown sampling prioritized setting 'heat'"),
        ({"sampling": "prioritized:temperature=0"}, "'temperature' must be more than 0"),
        ({"sampling": "uniform:kind=prioritized"}, "the kind of level sampling comes first"),
        (
            {"stream": "everlearn/CartPoleForceSign-v0", "held_out": 2},
            "'everlearn/CartPoleForceSign-v0' has too few contexts for --held-out 2, and others",
        ),
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        TrainRLSquared(**settings).check()


def test_worlds_that_must_be_rebuilt_are_refused(tmp_path: Path) -> None:
    stream, folder = "everlearn/SlipperyAnt-v0", str(tmp_path)
    settings = replace(SMALL, stream=stream, world_backend="envpool", runs_folder=folder)
    with pytest.raises(SettingsError, match="so ask for another back end"):
        train(settings)
    assert not any(tmp_path.iterdir())


def test_contexts_to_be_tried_in_are_never_learned_in() -> None:
    stream = make_stream("everlearn/CartPoleForces-v0")
    levels, held_out = split_contexts(stream, 50, 10, seed=0)
    others, same = split_contexts(stream, 50, 10, seed=1)
    assert [one.context for one in held_out] == [one.context for one in same]
    assert levels != others
    tried = [one.context for one in held_out]
    assert not any(one.context in tried for one in [*levels, *others])
    sizes = [abs(one.context["cartpole-force"]) for one in levels]
    assert 5 <= min(sizes) <= max(sizes) <= 15


def test_few_contexts_are_learned_in_or_tried_in() -> None:
    stream = make_stream("everlearn/LegBreakAnt-v0")
    parts = [split_contexts(stream, 100, 2, seed) for seed in range(2)]
    for levels, held_out in parts:
        assert (len(levels), len(held_out)) == (3, 2)
        names = [one.context["leg-failure"] for one in (*levels, *held_out)]
        assert sorted(names) == sorted(set(names))
    assert parts[0][1] == parts[1][1]


def test_every_episode_of_a_trial_is_evaluated(tmp_path: Path) -> None:
    folder = train(replace(SMALL, runs_folder=str(tmp_path))).folder
    table = read_table(folder / "evaluations.csv")
    assert set(table["task"]) == {"held out 0", "held out 1", "held out 2"}
    # 3 contexts, 2 trials of 2 episodes, before, between and after 2 iterations.
    assert len(table) == 3 * 2 * 2 * 3
    assert table["episode"].tolist() == [0, 1, 2, 3] * 9
    assert table["trial"].tolist() == [0, 0, 1, 1] * 9
    assert table["episode_in_trial"].tolist() == [1, 2] * 18
    assert table["length"].between(1, 15).all()
    held_out = SMALL.contexts[1]
    forces = {one.name: one.context["cartpole-force"] for one in held_out}
    assert (table["context/cartpole-force"] == table["task"].map(forces)).all()

    events = event_accumulator.EventAccumulator(str(folder), {"scalars": 0}).Reload()
    means = table.groupby(["episode_in_trial", "step"])["return"].mean()
    for number in (1, 2):
        scalars = events.Scalars(f"trial/return_{number}")
        assert [one.value for one in scalars] == pytest.approx(means[number].tolist())
    record = read_run(folder)
    assert record.iterations["levels/seen"].between(0, 1).all()
    learned = {one.context["cartpole-force"] for one in SMALL.contexts[0]}
    assert set(record.episodes["context/cartpole-force"]) <= learned


def test_the_base_learns_in_trials() -> None:
    env = make_vec_env("everlearn/CartPoleForces-v0", n_envs=2, seed=0)
    base = "ppo:n_steps=4,batch_size=4"
    agent: Any = replace(SMALL, base=base, told=False).build_agent(env, ())
    assert isinstance(agent, PPO)
    assert isinstance(agent.env, Trials)
    assert agent.env.replay is not None
    assert len(agent.env.replay.scores) == 6
    assert agent.observation_space.shape == (4,)


def test_every_setting_tells_runs_apart(tmp_path: Path) -> None:
    given: tuple[dict[str, Any], ...] = (
        {},
        {"base": "ppo"},
        {"episodes": 4},
        {"told": False},
        {"levels": 7},
        {"sampling": "uniform"},
        {"held_out": 4},
    )
    folders = {plan_run(replace(SMALL, runs_folder=str(tmp_path), **one)).folder for one in given}
    assert len(folders) == len(given)
