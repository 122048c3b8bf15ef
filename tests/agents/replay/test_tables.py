"""Reservoirs and memories of tasks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from scipy.stats import chisquare

from everlearn.agents.replay.growing import Growing
from everlearn.agents.replay.per_task import TaskReplayBuffer
from everlearn.agents.replay.reservoir import ReservoirReplayBuffer
from everlearn.agents.replay.tables import reservoir_row
from everlearn.wrappers.errors import SettingsError

SPACE = spaces.Box(-1, 1, (2,))
ROW = np.zeros((1, 2))


def add(buffer: Any, number: int, task: int = 0, next_task: int | None = None) -> None:
    """Add a step whose reward is its number; the info tells the task of the next one."""
    shape = (buffer.n_envs, 2)
    info = {"context": {"task": task if next_task is None else next_task}, "segment": task}
    rewards = np.full(buffer.n_envs, number)
    ends = np.full(buffer.n_envs, number % 5 == 0)
    infos = [{**info, "TimeLimit.truncated": number % 10 == 0}] * buffer.n_envs
    buffer.add(
        np.full(shape, number), np.full(shape, number + 1), np.zeros(shape), rewards, ends, infos
    )


def test_each_transition_is_kept_with_equal_probability() -> None:
    generator, kept = np.random.default_rng(0), np.zeros(1000)
    for _ in range(300):
        places = np.zeros(100, int)
        for seen in range(1000):
            if (row := reservoir_row(generator, 100, seen)) is not None:
                places[row] = seen
        kept[places] += 1
    # The expected count of each is 30; counts of a fair reservoir spread less than that of
    # independent draws, by the share that is left out.
    assert kept.sum() == 30_000
    assert chisquare(kept.reshape(20, -1).sum(axis=1)).pvalue > 0.001


def test_a_reservoir_keeps_whole_transitions() -> None:
    buffer = ReservoirReplayBuffer(50, SPACE, SPACE, "cpu", n_envs=2, seed=3)
    for number in range(1, 400):
        add(buffer, number)
    assert buffer.size() == 50
    assert buffer.seen == {"all": 798}
    batch = buffer.sample(500)
    numbers = batch.rewards[:, 0]
    assert torch.equal(batch.observations[:, 0], numbers)
    assert torch.equal(batch.next_observations[:, 1], numbers + 1)
    assert torch.equal(batch.dones[:, 0], ((numbers % 5 == 0) & (numbers % 10 != 0)).float())
    assert numbers.min() < 100
    assert numbers.max() > 300


def test_tasks_share_batches() -> None:
    buffer = TaskReplayBuffer(100, SPACE, SPACE, "cpu", task_size=10)
    for number in range(1, 31):
        add(buffer, number, task=number // 16, next_task=(number + 1) // 16)
    rewards = buffer.sample(1000).rewards
    assert int((rewards < 16).sum()) == 500
    buffer.present_share = 0.8
    assert sum(buffer.shares.values()) == pytest.approx(1)
    assert buffer.shares == pytest.approx({'{"task": 1}': 0.8, '{"task": 0}': 0.2})
    assert int((buffer.sample(1000).rewards >= 16).sum()) == 800
    assert buffer.size() == 20


def test_tasks_share_batches_by_a_schedule() -> None:
    schedule = [[1.0], [0.25, 0.75]]
    buffer = TaskReplayBuffer(100, SPACE, SPACE, "cpu", present_share=0.6, schedule=schedule)
    for number in range(1, 31):
        add(buffer, number, task=number // 11, next_task=(number + 1) // 11)
    assert buffer.shares == pytest.approx(
        {'{"task": 0}': 0.1, '{"task": 1}': 0.3, '{"task": 2}': 0.6}
    )
    rewards = buffer.sample(1000).rewards
    assert [int((rewards // 11 == task).sum()) for task in range(3)] == [100, 300, 600]
    with pytest.raises(SettingsError, match="the replay schedule is of 3 tasks by context"):
        add(buffer, 40, task=3)


def test_the_newest_of_each_task() -> None:
    buffer = TaskReplayBuffer(100, SPACE, SPACE, "cpu", task_size=4, keep="newest", by="segment")
    for number in range(1, 31):
        add(buffer, number, task=number // 16)
    kept = {name: table.columns["rewards"].tolist() for name, table in buffer.tables.items()}
    assert {name: sorted(rewards) for name, rewards in kept.items()} == {
        # A step belongs to the segment that the step before it told.
        "0": [13.0, 14.0, 15.0, 16.0],
        "1": [27.0, 28.0, 29.0, 30.0],
    }


@pytest.mark.parametrize(
    "make",
    [
        lambda: ReservoirReplayBuffer(12, SPACE, SPACE, "cpu", n_envs=2),
        lambda: TaskReplayBuffer(100, SPACE, SPACE, "cpu", n_envs=2, task_size=5),
        lambda: TaskReplayBuffer(
            100, SPACE, SPACE, "cpu", n_envs=2, task_size=5, keep="newest", present_share=0.5
        ),
    ],
    ids=["reservoir", "per-task", "newest"],
)
def test_it_is_put_back_from_its_new_rows(make: Any) -> None:
    buffer: Any = make()
    saved = 0
    pieces: list[dict[str, Any]] = []
    assert isinstance(make(), Growing)
    for stop in (3, 30, 31, 90, 0, 90, 200):
        if not stop:
            buffer.reset()
        for number in range(1, stop):
            add(buffer, number, task=number // 20 % 3)
        pieces = [piece for piece in pieces if piece["end"] > buffer.first_needed]
        if buffer.n_added > saved:
            pieces.append(buffer.get_rows(saved))
            saved = buffer.n_added
        other = make()
        other.set_state(buffer.get_state(), pieces)
        for number in (500, 501) if stop else ():
            twin = make()
            twin.set_state(other.get_state(), [other.get_rows(0)])
            add(other, number, task=1)
            add(twin, number, task=1)
            np.random.seed(0)
            ours = other.sample(60)
            np.random.seed(0)
            theirs = twin.sample(60)
            assert all(torch.equal(a, b) for a, b in zip(ours[:5], theirs[:5], strict=True))
    with pytest.raises(ValueError, match="are missing"):
        make().set_state(buffer.get_state(), pieces[:-1])


def test_what_cannot_be() -> None:
    with pytest.raises(SettingsError, match="task_size must be 1 or more, not 0"):
        TaskReplayBuffer(10, SPACE, SPACE, task_size=0)
    with pytest.raises(SettingsError, match="present_share must be from 0 to 1, not 2"):
        TaskReplayBuffer(10, SPACE, SPACE, present_share=2.0)
    with pytest.raises(SettingsError, match=r"number 2 is \[0.5, 0.6\]"):
        TaskReplayBuffer(10, SPACE, SPACE, schedule=[[1], [0.5, 0.6]])
    with pytest.raises(SettingsError, match="seed of a replay buffer must be 0 or more"):
        ReservoirReplayBuffer(10, SPACE, SPACE, seed=-1)
    buffer = TaskReplayBuffer(10, SPACE, SPACE, by="segment")
    with pytest.raises(SettingsError, match="needs worlds that tell their segment"):
        buffer.add(ROW, ROW, ROW, np.zeros(1), np.zeros(1), [{}])
    buffer = TaskReplayBuffer(1000, SPACE, SPACE, "cpu")
    for number in range(100):
        add(buffer, number, task=number)
    with pytest.raises(SettingsError, match="more than 100 tasks by context"):
        add(buffer, 100, task=100)
