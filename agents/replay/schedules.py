"""When which earlier task is replayed: schedules, and a search for a good one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from typing import final

import numpy as np

from ...wrappers.errors import SettingsError

Parts = tuple[float, ...]
"""The part of each earlier task in what is replayed, in the order in which they came; in sum 1."""

MOST_TASKS = 9
"""For more there would be too many ways to share to list."""

Schedule = tuple[Parts, ...]
"""The parts while the second task is learned, while the third is, and so on."""


def check_schedule(schedule: Iterable[Sequence[float]]) -> Schedule:
    """Return a schedule whose numbers are known to fit.

    Args:
        schedule: 1 number, 2 numbers, and so on, each from 0 to 1 and each row in sum 1.

    Raises:
        SettingsError: saying what a schedule is.

    Example:
        >>> check_schedule([[1], [0.25, 0.75]])
        ((1.0,), (0.25, 0.75))
    """
    rows = tuple(tuple(float(part) for part in row) for row in schedule)
    for earlier, row in enumerate(rows, start=1):
        # Written so that what is no number does not pass.
        if len(row) != earlier or not (min(row) >= 0 and abs(sum(row) - 1) <= 1e-6):
            raise SettingsError(
                "a replay schedule has 1 part for the second task, 2 for the third and so on, "
                f"each from 0 to 1 and in sum 1; number {earlier} is {list(row)}"
            )
    return tuple(tuple(part / sum(row) for part in row) for row in rows)


def equal_schedule(n_tasks: int) -> Schedule:
    """Return the schedule that replays all earlier tasks alike.

    Args:
        n_tasks: how many tasks there are; without a second one the schedule is empty.

    Example:
        >>> equal_schedule(3)
        ((1.0,), (0.5, 0.5))
    """
    return tuple((1 / earlier,) * earlier for earlier in range(1, n_tasks))


def ways_to_share(n_earlier: int) -> list[Parts]:
    """Return all ways to share what is replayed among earlier tasks, in as many equal bins.

    Klasson et al., "Learn the time to learn: replay scheduling in continual learning" (2023):
    the actions that their search has.

    Args:
        n_earlier: how many there are, from 1 to 8: of 8 there are 6,435 ways.

    Raises:
        SettingsError: there are none, or too many.

    Example:
        >>> ways_to_share(2)
        [(1.0, 0.0), (0.5, 0.5), (0.0, 1.0)]
    """
    if not 1 <= n_earlier < MOST_TASKS:
        raise SettingsError(
            f"what is replayed is shared among 1 to {MOST_TASKS - 1} earlier tasks, not {n_earlier}"
        )
    bins = combinations_with_replacement(range(n_earlier), n_earlier)
    return [tuple(chosen.count(task) / n_earlier for task in range(n_earlier)) for chosen in bins]


@dataclass(eq=False)
class _Node:
    untried: list[Parts]
    children: dict[Parts, _Node] = field(default_factory=dict)
    visits: int = 0
    best: float = -np.inf


@final
class ScheduleSearch:
    """A Monte Carlo tree search for the replay schedule that keeps old tasks best.

    Klasson et al. (2023), Algorithm 1: whoever uses it trains an agent on all tasks by the
    schedule that `ask` returns, and `tell`s what came of it, such as the mean success over all
    tasks at the end; each try is a whole training, so that tasks must be few. A branch is as good
    as the best try in it: max(scores) + exploration * sqrt(2 log(visits of all) / its visits).

    Two searches with one seed that are told the same ask the same: a search that was stopped goes
    on when it is told anew what was found.

    Args:
        n_tasks: how many there are, from 2 to 9.
        seed: of the branches that are tried first.
        exploration: weight of branches that were tried seldom, 0 or more (published code: 0.1, of
            scores from 0 to 1).

    Raises:
        SettingsError: a number out of its range.

    Example:
        >>> search = ScheduleSearch(n_tasks=3, seed=0)
        >>> for _ in range(8):
        ...     schedule = search.ask()
        ...     search.tell(schedule[1][0])  # the more of the first task, the better
        >>> search.best
        (1.0, ((1.0,), (1.0, 0.0)))
    """

    def __init__(self, n_tasks: int, seed: int = 0, exploration: float = 0.1) -> None:
        if not 2 <= n_tasks <= MOST_TASKS:
            raise SettingsError(
                f"a replay schedule is searched for 2 to {MOST_TASKS} tasks, not {n_tasks}"
            )
        if not exploration >= 0:
            raise SettingsError(f"exploration must be 0 or more, not {exploration}")
        self.n_tasks = n_tasks
        self.exploration = exploration
        self.tried: list[tuple[float, Schedule]] = []
        """Each score that was told, with its schedule."""
        self._generator = np.random.default_rng(seed)
        self._root = self._node(1)
        self._asked: tuple[list[_Node], Schedule] | None = None

    @property
    def best(self) -> tuple[float, Schedule] | None:
        """The highest score with its schedule, the first of equals; None before the first."""
        return max(self.tried, key=lambda one: one[0], default=None)

    def ask(self) -> Schedule:
        """Return the schedule to try next, the same one until its score is told."""
        if self._asked is None:
            self._asked = self._choose()
        return self._asked[1]

    def tell(self, score: float) -> None:
        """Take in what came of the schedule that was asked for.

        Args:
            score: finite, higher for better.

        Raises:
            SettingsError: nothing was asked, or the score is no finite number.
        """
        if self._asked is None:
            raise SettingsError("there is no replay schedule to score: ask for one first")
        if not np.isfinite(score):
            raise SettingsError(f"a replay schedule's score must be a finite number, not {score}")
        path, schedule = self._asked
        for node in path:
            node.visits += 1
            node.best = max(node.best, score)
        self.tried.append((float(score), schedule))
        self._asked = None

    def _choose(self) -> tuple[list[_Node], Schedule]:
        node, path, schedule = self._root, [self._root], list[Parts]()
        while len(schedule) < self.n_tasks - 1 and not node.untried:
            parts = max(node.children, key=lambda one: self._worth(path[-1], one))
            node = node.children[parts]
            path.append(node)
            schedule.append(parts)
        if len(schedule) < self.n_tasks - 1:
            parts = node.untried.pop(int(self._generator.integers(len(node.untried))))
            schedule.append(parts)
            node.children[parts] = self._node(len(schedule) + 1)
            path.append(node.children[parts])
        while len(schedule) < self.n_tasks - 1:
            ways = ways_to_share(len(schedule) + 1)
            schedule.append(ways[self._generator.integers(len(ways))])
        return path, tuple(schedule)

    def _worth(self, node: _Node, parts: Parts) -> float:
        child = node.children[parts]
        seldom = float(np.sqrt(2 * np.log(node.visits) / child.visits))
        return child.best + self.exploration * seldom

    def _node(self, n_earlier: int) -> _Node:
        return _Node(ways_to_share(n_earlier) if n_earlier < self.n_tasks else [])
