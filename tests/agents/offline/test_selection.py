from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from everlearn.agents.offline.selection import (
    episode_starts,
    select_at_random,
    select_by_coverage,
    select_by_model,
    select_by_reward,
)
from everlearn.agents.replay.transitions import Transitions


def walk(n: int = 400, length: int = 20, seed: int = 0) -> Transitions:
    """Return random steps in the plane, in episodes that all begin at its middle."""
    generator = np.random.default_rng(seed)
    observations = np.zeros((n, 2), np.float32)
    steps = generator.normal(size=(n, 2)).astype(np.float32)
    for index in range(1, n):
        if index % length:
            observations[index] = observations[index - 1] + steps[index - 1]
    ends = np.arange(n) % length == length - 1
    rewards = steps[:, 0].copy()
    return Transitions(observations, steps, rewards, observations + steps, ends & False, ends)


def test_the_nearest_states_to_a_rollout_are_kept_in_turn() -> None:
    """A line of states and a perfect model, which goes three to the right."""
    line = np.stack([np.arange(30, dtype=np.float32), np.zeros(30, np.float32)], axis=1)
    ends = np.arange(30) == 29
    data = Transitions(line, line, line[:, 0], line, ends & False, ends)
    rows = select_by_model(data, lambda s: s + np.array([2.9, 0.4]), 5, np.random.default_rng(0))
    assert rows.tolist() == [3, 6, 9, 12, 15]


@pytest.mark.parametrize("seed", range(5))
def test_what_is_kept_is_nearer_to_the_policy_than_chance(seed: int) -> None:
    data, generator = walk(seed=seed), np.random.default_rng(seed)
    rollout = np.stack([[0.5 * t, 0.0] for t in range(20)])

    def distance(rows: np.ndarray) -> float:
        states = data.observations[rows]
        return float(np.linalg.norm(states[:, None] - rollout, axis=2).min(axis=1).mean())

    rows = select_by_model(data, lambda s: s + np.array([0.5, 0.0]), 15, generator)
    assert distance(rows) < distance(select_at_random(data, 15, generator))


def test_the_best_episodes_are_kept_whole() -> None:
    data = walk()
    rows = select_by_reward(data, 45)
    returns = data.rewards.reshape(20, 20).sum(axis=1)
    best = np.argsort(-returns)[:3]
    assert (rows // 20).tolist() == [best[0]] * 20 + [best[1]] * 20 + [best[2]] * 5


def test_coverage_reaches_the_corners() -> None:
    data = walk()
    generator = np.random.default_rng(0)

    def gap(rows: np.ndarray) -> float:
        states = np.asarray(data.observations)
        apart = states[:, None] - states[rows]
        return float(np.linalg.norm(apart, axis=2).min(axis=1).max())

    assert gap(select_by_coverage(data, 40, generator)) < gap(select_at_random(data, 40, generator))


SELECT: dict[str, Callable[[Transitions, int, np.random.Generator], np.ndarray]] = {
    "model": lambda data, quota, generator: select_by_model(data, lambda s: s, quota, generator),
    "random": select_at_random,
    "reward": lambda data, quota, generator: select_by_reward(data, quota),
    "coverage": select_by_coverage,
}


@pytest.mark.parametrize("quota", [1, 50, 400, 1000])
@pytest.mark.parametrize("name", SELECT)
def test_as_many_rows_as_asked_for_each_once(name: str, quota: int) -> None:
    one, other = (SELECT[name](walk(), quota, np.random.default_rng(3)) for _ in range(2))
    assert len(set(one.tolist())) == len(one) == min(quota, 400)
    assert np.array_equal(one, other)


def test_starts_of_episodes() -> None:
    assert episode_starts(walk(50)).tolist() == [0, 20, 40]
