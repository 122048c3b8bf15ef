from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from gymnasium.spaces import Discrete
from tensorboard.backend.event_processing import event_accumulator  # type: ignore[import-untyped]

from everlearn.agents import PPO as PPOAgent
from everlearn.envs import make_stream
from everlearn.envs.contexts import contexts_of_segments
from everlearn.evaluation.records import read_table
from everlearn.training.evaluate import Evaluation, evaluation_tasks
from everlearn.training.evaluation_worlds import EvaluationWorlds, Trial
from everlearn.training.ppo import TrainPPO
from everlearn.training.sac import TrainSAC
from everlearn.training.train import plan_run, train

METHODS = ("continual-backprop:replacement_rate=0.05,maturity=3",)
PPO = TrainPPO(
    stream="everlearn/ReactiveCartPole-v0:change_every=64",
    methods=METHODS,
    total_steps=160,
    n_envs=2,
    n_steps=16,
    batch_size=16,
    n_epochs=2,
    hidden_sizes=(8, 8),
    evaluate_every=2,
    evaluation_steps=20,
)
SAC = TrainSAC(
    stream="everlearn/SlipperyAnt-v0:change_every=50",
    methods=METHODS,
    total_steps=128,
    iteration_steps=32,
    learning_starts=40,
    batch_size=8,
    replay_ratio=0.5,
    hidden_sizes=(8, 8),
    evaluate_every=1,
    evaluation_steps=20,
)


def run(settings: Any, folder: Path, **changed: Any) -> Path:
    return train(replace(settings, runs_folder=str(folder), **changed)).folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return PPOAgent.load(folder / "model.zip", device="cpu").policy.state_dict()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(PPO, tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("backend", ["reference", "eager"])
@pytest.mark.parametrize("settings", [PPO, SAC], ids=["ppo", "sac"])
def test_training_is_the_same_with_and_without(settings: Any, backend: str, tmp_path: Path) -> None:
    with_it = run(settings, tmp_path, backend=backend)
    without = run(settings, tmp_path, backend=backend, evaluate_every=0)
    assert not (without / "evaluations.csv").exists()
    for name in ("iterations.csv", "episodes.csv"):
        tables = [read_table(folder / name) for folder in (with_it, without)]
        timeless = [column for column in tables[0] if not column.startswith("time/")]
        pd.testing.assert_frame_equal(tables[0][timeless], tables[1][timeless], check_exact=True)
    archives = [(folder / "model.zip") for folder in (with_it, without)]
    from stable_baselines3.common.save_util import load_from_zip_file

    one, other = (load_from_zip_file(archive, device="cpu")[1]["policy"] for archive in archives)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_no_generator_and_no_mode_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touched(evaluation: Any) -> tuple[Any, ...]:
        modes = [module.training for module in evaluation.model.policy.modules()]
        return (
            random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist(),
            modes,
        )  # fmt: skip

    real = Evaluation._evaluate
    calls: list[int] = []

    def watched(evaluation: Any) -> None:
        evaluation.model.policy.train(len(calls) % 2 == 0)
        before = touched(evaluation)
        real(evaluation)
        assert touched(evaluation) == before
        calls.append(1)

    monkeypatch.setattr(Evaluation, "_evaluate", watched)
    run(PPO, tmp_path)
    assert len(calls) >= 3


def test_the_table_holds_every_task_of_every_evaluation(finished: Path) -> None:
    table = read_table(finished / "evaluations.csv")
    # Of five iterations of 32 steps: the first, every second, the last; segments end at 64, 128.
    assert table["iteration"].unique().tolist() == [0, 2, 4, 5]
    assert table["step"].unique().tolist() == [0, 64, 128, 160]
    # What comes at a segment's end belongs to it.
    assert table.drop_duplicates("iteration")["segment"].tolist() == [0, 0, 1, 2]
    assert table["task"].nunique() == 2
    for _, rows in table.groupby("iteration"):
        assert rows["episode"].tolist() == [0, 1, 0, 1]
    assert set(table["context/cartpole-force"]) == {10.0, -10.0}
    assert table["success"].isna().all()
    assert table["length"].le(20).all()


def test_tensorboard_holds_the_means(finished: Path) -> None:
    table = read_table(finished / "evaluations.csv")
    events = event_accumulator.EventAccumulator(str(finished), {"scalars": 0}).Reload()
    for task, rows in table.groupby("task"):
        means = rows.groupby("step")["return"].mean()
        scalars = events.Scalars(f"eval/{task}/return")
        assert [one.step for one in scalars] == means.index.tolist()
        np.testing.assert_allclose([one.value for one in scalars], means, rtol=1e-6)
        drops = [one.value for one in events.Scalars(f"eval/{task}/forgetting")]
        np.testing.assert_allclose(drops, means.cummax() - means, rtol=1e-5, atol=1e-6)


def test_segments_end_with_an_evaluation(tmp_path: Path) -> None:
    # 96 and 192 are ends of iterations of 32 steps, 288 is one too: the segments are long enough.
    stream = "everlearn/SlipperyAnt-v0:change_every=110"
    folder = run(PPO, tmp_path, stream=stream, total_steps=256, evaluate_every=6)
    table = read_table(folder / "evaluations.csv")
    # Changes land at 110 (in iteration 4) and 220 (in iteration 7); 192 = 6 iterations is due.
    assert table["iteration"].unique().tolist() == [0, 3, 6, 8]
    assert table["task"].unique().tolist() == [*(f"segment {i}" for i in range(4)), "current"]
    current = table[table["task"] == "current"].drop_duplicates("iteration")
    frictions = [
        one.context["friction"] for one in contexts_of_segments(make_stream(stream), range(3), 0)
    ]
    assert current["context/friction"].tolist() == [
        frictions[0], frictions[0], frictions[1], frictions[2],
    ]  # fmt: skip


def test_short_segments_do_not_make_it_costly(tmp_path: Path) -> None:
    stream = "everlearn/SlipperyAnt-v0:change_every=40"
    folder = run(PPO, tmp_path, stream=stream, total_steps=256, evaluate_every=6)
    table = read_table(folder / "evaluations.csv")
    assert table["iteration"].unique().tolist() == [0, 6, 8]


class Reflex:
    """Acts by the sum of the observation, so that no rounding of a network comes in."""

    def __init__(self, worlds: EvaluationWorlds) -> None:
        self.space = worlds.action_space

    def __call__(
        self, observations: Any, trials: Sequence[Trial], starts: np.ndarray
    ) -> np.ndarray:
        sums = observations.reshape(len(observations), -1).sum(axis=1)
        if isinstance(self.space, Discrete):
            return (sums > 0.5).astype(int)
        return np.stack([np.full(self.space.shape or (), 0.3 * np.sin(one)) for one in sums])


STREAMS: dict[str, Any] = {
    "native": ("everlearn/SlipperyAnt-v0", "native"),
    "gymnasium": ("everlearn/ReactiveCartPole-v0", "auto"),
    "observations": ("everlearn/LifelongCartPole-v0", "auto"),
    "envpool": ("everlearn/SlipperyAnt-v0", "envpool"),
    "worlds": ("everlearn/WalkerCheetahCycle-v0", "auto"),
}


def play(name: str, sizes: tuple[int, int]) -> Callable[[Sequence[Trial]], list[Any]]:
    stream, backend = STREAMS[name]
    worlds = EvaluationWorlds(make_stream(stream), backend, sizes[0], sizes[1], 30)

    def played(trials: Sequence[Trial]) -> list[Any]:
        return list(worlds.play(trials, Reflex(worlds)))

    return played


@pytest.mark.parametrize("name", STREAMS)
def test_an_episode_depends_on_its_context_and_seed_alone(name: str) -> None:
    stream = make_stream(STREAMS[name][0])
    contexts = [one.context for one in evaluation_tasks(stream, (0, 2), seed=0)]
    trials = [Trial(context, 7) for context in contexts]
    alone = play(name, (1, 1))
    expected = [alone([trial])[0] for trial in trials]
    assert expected[0] != expected[1]
    # Again, in another order, and side by side.
    assert alone([trials[1]]) == [expected[1]]
    assert alone([trials[0]]) == [expected[0]]
    assert play(name, (2, 1))(trials) == expected
    assert play(name, (2, 1))(trials[:1]) == expected[:1]
    assert any(alone([Trial(contexts[0], seed)]) != [expected[0]] for seed in range(8, 16))


def test_more_trials_than_copies_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    trials = [
        Trial(one.context, seed)
        for one in evaluation_tasks(make_stream("everlearn/SwitchingBandit-v0"), (), 0)
        for seed in range(3)
    ]
    monkeypatch.setitem(STREAMS, "bandit", ("everlearn/SwitchingBandit-v0", "auto"))
    together = play("bandit", (6, 3))(trials)
    monkeypatch.setattr("everlearn.training.evaluation_worlds.MOST_COPIES", 4)
    assert play("bandit", (6, 3))(trials) == together
    assert all(one.length == 30 and not one.whole for one in together)


def test_success_is_told_where_a_world_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STREAMS, "metaworld", ("everlearn/CW3-v0", "auto"))
    context = evaluation_tasks(make_stream("everlearn/CW3-v0"), (), 0)[0].context
    (outcome,) = play("metaworld", (1, 1))([Trial(context, 0)])
    assert outcome.success is False


class TestTasks:
    FEW: ClassVar = {
        "everlearn/CW20-v0": 10,
        "everlearn/LegBreakAnt-v0": 5,
        "everlearn/ReactiveCartPole-v0": 2,
        "everlearn/CartPoleForceSign-v0": 2,
    }

    @pytest.mark.parametrize("name", FEW)
    def test_few_contexts_are_all_tasks(self, name: str) -> None:
        assert len(evaluation_tasks(make_stream(name), (0,), seed=3)) == self.FEW[name]

    def test_of_many_contexts_some_segments_are(self) -> None:
        stream = make_stream("everlearn/SlipperyAnt-v0:change_every=10")
        tasks = evaluation_tasks(stream, (0, 5), seed=3)
        table = stream.table(100, seed=3)
        assert [one.context for one in tasks] == [table[0].context, table[5].context]


def test_another_evaluation_is_another_run(tmp_path: Path) -> None:
    settings = replace(PPO, runs_folder=str(tmp_path))
    hashes = {
        plan_run(one).hash
        for one in (
            settings,
            replace(settings, evaluate_every=0),
            replace(settings, evaluation_episodes=5),
        )
    }
    assert len(hashes) == 3
    off = replace(settings, evaluate_every=0, evaluation_episodes=5)
    assert plan_run(off).hash == plan_run(replace(off, evaluation_episodes=6)).hash


def test_observations_are_scaled_as_the_agents_are_and_nothing_is_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed: list[tuple[dict[str, Any], dict[str, Any]]] = []
    play = EvaluationWorlds.play

    def watch(self: Any, trials: Any, act: Any) -> Any:
        env = self._worlds.normalization
        assert env._scales == (True, False)
        before = env.get_statistics()
        yield from play(self, trials, act)
        followed.append((before, env.get_statistics()))

    monkeypatch.setattr(EvaluationWorlds, "play", watch)
    normalized: Any = {
        "normalize_observations": True,
        "normalize_rewards": True,
        "normalization_at_change": "per-task",
    }
    folder = run(PPO, tmp_path, **normalized)
    without = run(PPO, tmp_path / "without", evaluate_every=0, **normalized)
    learned = PPOAgent.load(folder / "model.zip", device="cpu").normalization
    assert len(followed) > 1
    for before, after in followed:
        assert repr(before) == repr(after)
    assert repr(followed[-1][1]) == repr(learned)
    one, other = weights(folder), weights(without)
    assert all(torch.equal(one[name], other[name]) for name in one)
