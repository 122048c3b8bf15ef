"""Which transitions of a task are kept, as pure functions of explicit arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..replay.transitions import Transitions

Successor = Callable[[np.ndarray], np.ndarray]
"""Where the policy is expected to come from a state, of the same shape."""


def episode_starts(transitions: Transitions) -> np.ndarray:
    """Return the rows in which episodes begin.

    Args:
        transitions: with at least one row.
    """
    return np.concatenate([[0], np.flatnonzero(transitions.ends[:-1]) + 1])


def select_by_model(
    transitions: Transitions, successor: Successor, quota: int, generator: np.random.Generator
) -> np.ndarray:
    """Return the rows that a policy is expected to visit (model-based experience selection).

    Gai et al., "OER: offline experience replay for continual offline reinforcement learning"
    (2023): from the start of an episode a model tells where the policy comes; the nearest stored
    state (Euclidean) is kept, and the next step is taken from there, so that errors of the model do
    not add up. After as many steps as the longest episode has, or at a row where an episode ended,
    it begins anew. A row is kept once; where nothing new was found for ten quotas of steps, chance
    fills what is left (ours).

    Args:
        transitions: of one task.
        successor: where the policy is expected to come from a state.
        quota: how many rows are to be kept.
        generator: draws starts.

    Returns:
        Rows in the order in which they were found.
    """
    states = np.asarray(transitions.observations).reshape(len(transitions), -1)
    starts = episode_starts(transitions)
    longest = int(np.diff([*starts, len(transitions)]).max())
    quota = min(quota, len(transitions))
    kept: dict[int, None] = {}
    row, age, idle = int(generator.choice(starts)), 0, 0
    while len(kept) < quota and idle < 10 * quota:
        expected = successor(states[row])
        row = int(np.square(states - expected).sum(axis=1).argmin())
        idle = idle + 1 if row in kept else 0
        kept[row] = None
        age += 1
        if age >= longest or transitions.ends[row]:
            row, age = int(generator.choice(starts)), 0
    rows = np.array(list(kept), dtype=np.int64)
    return np.concatenate([rows, _others(rows, len(transitions), quota, generator)])


def select_at_random(
    transitions: Transitions, quota: int, generator: np.random.Generator
) -> np.ndarray:
    """Return rows that were drawn without replacement.

    Args:
        transitions: of one task.
        quota: how many.
        generator: draws.
    """
    return _others(np.empty(0, np.int64), len(transitions), quota, generator)


def select_by_reward(transitions: Transitions, quota: int) -> np.ndarray:
    """Return the rows of the episodes with the highest returns, whole ones first.

    Args:
        transitions: of one task.
        quota: how many.
    """
    starts = episode_starts(transitions)
    stops = [*starts[1:], len(transitions)]
    returns = np.add.reduceat(transitions.rewards, starts)
    order = np.argsort(-returns, kind="stable")
    rows = [np.arange(starts[episode], stops[episode]) for episode in order]
    return np.concatenate(rows)[:quota]


def select_by_coverage(
    transitions: Transitions, quota: int, generator: np.random.Generator
) -> np.ndarray:
    """Return rows whose states are spread over all that were seen.

    Each row is the one farthest from those before (greedy k-center, Gonzalez 1985), the first is
    drawn. In the spirit of coverage maximization of Isele and Cosgun, "Selective experience replay
    for lifelong learning" (2018), which counts neighbours instead.

    Args:
        transitions: of one task.
        quota: how many.
        generator: draws the first.
    """
    states = np.asarray(transitions.observations).reshape(len(transitions), -1)
    rows = [int(generator.integers(len(transitions)))]
    nearest = np.full(len(transitions), np.inf)
    while len(rows) < min(quota, len(transitions)):
        distances = np.square(states - states[rows[-1]]).sum(axis=1)
        nearest = np.minimum(nearest, distances)
        nearest[rows[-1]] = -1.0
        rows.append(int(nearest.argmax()))
    return np.array(rows, dtype=np.int64)


def _others(
    rows: np.ndarray, n_rows: int, quota: int, generator: np.random.Generator
) -> np.ndarray:
    """Return as many other rows as are missing from a quota."""
    free = np.setdiff1d(np.arange(n_rows), rows)
    return generator.choice(free, size=min(quota, n_rows) - len(rows), replace=False)
