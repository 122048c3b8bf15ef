from __future__ import annotations

from itertools import product
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everlearn.agents.replay.schedules import (
    Schedule,
    ScheduleSearch,
    check_schedule,
    equal_schedule,
    ways_to_share,
)
from everlearn.wrappers.errors import SettingsError

WANTED = ((1.0,), (0.5, 0.5), (0.0, 2 / 3, 1 / 3))


def closeness(schedule: Schedule, wanted: Schedule = WANTED) -> float:
    """Return how near a schedule is to one that is wanted: 1 for the same."""
    pairs = zip(sum(schedule, ()), sum(wanted, ()), strict=True)
    return 1 - sum(abs(one - other) for one, other in pairs) / (2 * len(wanted))


@pytest.mark.parametrize("n_earlier", [1, 2, 3, 4])
def test_ways_to_share_are_all_of_the_simplex_in_bins(n_earlier: int) -> None:
    ways = ways_to_share(n_earlier)
    assert len(set(ways)) == len(ways) == comb(2 * n_earlier - 1, n_earlier)
    assert all(sum(parts) == pytest.approx(1) for parts in ways)
    bins = [[part * n_earlier for part in parts] for parts in ways]
    assert all(number == round(number) >= 0 for parts in bins for number in parts)
    assert equal_schedule(n_earlier + 1)[-1] in ways


@pytest.mark.parametrize("seed", range(5))
def test_the_search_finds_the_best_of_all(seed: int) -> None:
    search = ScheduleSearch(n_tasks=4, seed=seed)
    for _ in range(100):
        search.tell(closeness(search.ask()))
    everything = list(product(*map(ways_to_share, (1, 2, 3))))
    best = max(map(closeness, everything))
    assert best == 1
    assert search.best == (best, WANTED)
    # Chance finds one of 30 in 100 tries, too; but it does not come back to it.
    assert sum(score == best for score, _ in search.tried) > 20


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(2, 5), st.integers(0, 9)
)
def test_all_that_is_asked_is_a_schedule(scores: list[float], n_tasks: int, seed: int) -> None:
    search = ScheduleSearch(n_tasks, seed)
    for score in scores:
        schedule = search.ask()
        assert schedule == search.ask() == check_schedule(schedule)
        assert len(schedule) == n_tasks - 1
        search.tell(score)
    assert search.best is not None
    assert search.best[0] == max(scores)


def test_told_the_same_it_asks_the_same() -> None:
    first = ScheduleSearch(4, seed=3)
    for _ in range(20):
        first.tell(closeness(first.ask()))
    again = ScheduleSearch(4, seed=3)
    for score, schedule in first.tried:
        assert again.ask() == schedule
        again.tell(score)
    assert again.ask() == first.ask()
    assert [ScheduleSearch(5, seed=seed).ask() for seed in (3, 4, 5)].count(first.ask()) == 0


@pytest.mark.parametrize(
    "schedule",
    [
        [[0.5]],
        [[1], [1]],
        [[1], [-0.5, 1.5]],
        [[1], [float("nan"), 1]],
        [[1], [0.5, 0.5], [0.5, 0.5]],
    ],
)
def test_what_is_no_schedule(schedule: list[list[float]]) -> None:
    with pytest.raises(SettingsError, match="1 part for the second task, 2 for the third"):
        check_schedule(schedule)


def test_what_cannot_be_searched() -> None:
    for n_tasks in (1, 10):
        with pytest.raises(SettingsError, match=f"searched for 2 to 9 tasks, not {n_tasks}"):
            ScheduleSearch(n_tasks)
    with pytest.raises(SettingsError, match="among 1 to 8 earlier tasks, not 0"):
        ways_to_share(0)
    with pytest.raises(SettingsError, match="exploration must be 0 or more, not -1"):
        ScheduleSearch(3, exploration=-1)
    search = ScheduleSearch(3)
    with pytest.raises(SettingsError, match="ask for one first"):
        search.tell(1.0)
    search.ask()
    with pytest.raises(SettingsError, match="finite number, not nan"):
        search.tell(float("nan"))
    assert search.tried == []
    assert search.best is None
