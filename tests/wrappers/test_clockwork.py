from typing import Any

import numpy as np
import pytest

from everlearn.wrappers.change import Change
from everlearn.wrappers.clockwork import Clockwork
from everlearn.wrappers.drifts import RandomWalk
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.lengths import ClippedNormalLength
from everlearn.wrappers.schedules import At, Periodic, Piecewise
from everlearn.wrappers.transitions import LinearRamp
from everlearn.wrappers.values import Uniform, Values

N = 3
NONE = np.zeros(N, dtype=bool)
ALL = np.ones(N, dtype=bool)
UNIFORM = Uniform(0.0, 1.0)


def started(*changes: Change, seed: int = 0) -> Clockwork:
    clockwork = Clockwork(changes, seed, N)
    clockwork.begin_episodes(ALL)
    return clockwork


def live(clockwork: Clockwork, n_ticks: int, endings: dict[int, list[int]]) -> list[dict]:
    """Tick, ending episodes of some copies at some ticks; return what each tick led to."""
    seen = []
    for tick in range(1, n_ticks + 1):
        ended = NONE.copy()
        ended[endings.get(tick, [])] = True
        _, cut = clockwork.tick(ended)
        ended |= cut
        if ended.any():
            clockwork.begin_episodes(ended)
        seen.append(
            {
                "values": {k: v.tolist() for k, v in clockwork.context.items()},
                "segments": clockwork.segments.tolist(),
                "changed": clockwork.changed.tolist(),
                "cut": cut.tolist(),
                "since": (clockwork.clock - clockwork.landed).tolist(),
            }
        )
    return seen


def test_the_global_clock_counts_all_copies() -> None:
    seen = live(started(Change("k", Values((1.0, 2.0)), At((7,)))), 4, {})
    assert [tick["values"]["k"] for tick in seen] == [[1.0] * 3, [1.0] * 3, [2.0] * 3, [2.0] * 3]
    assert [tick["changed"][0] for tick in seen] == [False, False, True, False]
    assert [tick["since"][0] for tick in seen] == [3, 6, 0, 3]


def test_the_copy_clock_counts_one_copy() -> None:
    seen = live(started(Change("k", Values((1.0, 2.0)), At((3,)), clock="copy")), 4, {2: [0]})
    assert [tick["values"]["k"][0] for tick in seen] == [1.0, 1.0, 2.0, 2.0]


def test_the_episode_clock_begins_anew_with_fresh_draws() -> None:
    clockwork = started(Change("k", UNIFORM, Periodic(2), clock="episode"))
    seen = live(clockwork, 6, {3: [1]})
    first, second, third = ([tick["values"]["k"][copy] for tick in seen] for copy in range(N))
    assert first == third
    assert first[:2] == second[:2]
    assert second[2] != first[2]
    assert len({first[0], first[1], *second[2:]}) == 4
    assert seen[2]["changed"] == [False, True, False]
    assert seen[5]["segments"] == [3, 3, 3]


def test_the_episodes_clock_counts_episodes() -> None:
    change = Change("k", Values((1.0, 2.0, 3.0)), Periodic(2), clock="episodes")
    seen = live(started(change), 5, {1: [0], 2: [0, 1], 3: [0], 4: [0]})
    assert [tick["values"]["k"] for tick in seen] == [
        [1.0, 1.0, 1.0],
        [2.0, 1.0, 1.0],
        [2.0, 1.0, 1.0],
        [3.0, 1.0, 1.0],
        [3.0, 1.0, 1.0],
    ]


def test_independent_copies_have_draws_of_their_own() -> None:
    values = started(Change("k", UNIFORM, Periodic(5), scope="independent")).context["k"]
    assert len(set(values)) == N
    shared = started(Change("k", UNIFORM, Periodic(5))).context["k"]
    assert len(set(shared)) == 1


def test_staggered_copies_follow_one_another() -> None:
    change = Change("k", Values((0.0, 1.0)), Periodic(30), scope="staggered")
    seen = live(started(change), 10, {})
    assert [[tick["changed"][copy] for tick in seen].index(True) for copy in range(N)] == [9, 6, 3]


def test_the_next_reset_is_waited_for() -> None:
    change = Change("k", Values((1.0, 2.0)), At((4,)), landing="next-reset")
    seen = live(started(change), 5, {1: [2], 3: [0], 5: [2]})
    assert [tick["values"]["k"] for tick in seen] == [
        [1.0, 1.0, 1.0],
        [1.0, 1.0, 1.0],
        [2.0, 1.0, 1.0],
        [2.0, 1.0, 1.0],
        [2.0, 1.0, 2.0],
    ]
    assert seen[2]["changed"] == [True, False, False]


def test_a_boundary_ends_the_episodes_that_go_on() -> None:
    change = Change("k", Values((1.0, 2.0)), At((4,)), landing="boundary")
    seen = live(started(change), 3, {2: [1]})
    assert [tick["cut"] for tick in seen] == [[False] * 3, [True, False, True], [False] * 3]


def test_knobs_that_land_together_are_one_change() -> None:
    timing = {"schedule": Periodic(3)}
    clockwork = started(Change("a", UNIFORM, **timing), Change("b", UNIFORM, **timing))  # type: ignore[arg-type]
    assert [tick["segments"] for tick in live(clockwork, 2, {})] == [[1] * 3, [2] * 3]


def test_a_change_is_told_once() -> None:
    clockwork = started(Change("a", UNIFORM, Periodic(3)))
    clockwork.tick(ALL)
    assert clockwork.changed.all()
    clockwork.go_unnoticed()
    clockwork.begin_episodes(ALL)
    assert not clockwork.changed.any()


def test_several_knobs_count_together() -> None:
    clockwork = started(
        Change("a", UNIFORM, Periodic(3)), Change("b", UNIFORM, At((6,)), landing="boundary")
    )
    seen = live(clockwork, 3, {})
    assert [tick["segments"][0] for tick in seen] == [1, 3, 4]
    assert seen[0]["values"]["a"] != seen[0]["values"]["b"]


CHANGES: list[dict[str, Any]] = [
    {"law": UNIFORM, "schedule": Periodic(5)},
    {"law": UNIFORM, "schedule": Periodic(5), "scope": "independent", "clock": "copy"},
    {"law": UNIFORM, "schedule": Periodic(9), "scope": "staggered"},
    {"law": UNIFORM, "schedule": Periodic(2), "clock": "episode", "scope": "independent"},
    {"law": UNIFORM, "schedule": Periodic(2), "clock": "episodes"},
    {"law": UNIFORM, "schedule": Periodic(5), "landing": "next-reset"},
    {"law": UNIFORM, "schedule": Piecewise(ClippedNormalLength(6, 2, 1)), "landing": "boundary"},
    {"law": RandomWalk(0.0, 1.0), "schedule": Periodic(1)},
    {"law": Values((0.0, 1.0)), "schedule": Periodic(12), "transition": LinearRamp(7)},
    {"law": Values((0.0, 1.0)), "schedule": Periodic(12), "noise": 0.1},
]


@pytest.mark.parametrize("settings", CHANGES)
def test_it_goes_on_from_its_state(settings: dict[str, Any]) -> None:
    change = Change(knob="k", **settings)
    endings = {2: [0], 5: [1, 2], 9: [0], 11: [2], 14: [0, 1]}
    first = started(change)
    live(first, 8, endings)
    state = first.get_state()
    later = {tick - 8: copies for tick, copies in endings.items()}
    second = Clockwork([change], 0, N)
    second.set_state(state)
    assert live(first, 10, later) == live(second, 10, later)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(SettingsError, match="at least 0"):
        Clockwork([], -1, 1)


def test_copies_can_be_placed_in_contexts() -> None:
    clockwork = started(Change("k", Values((1.0,)), At(())))
    # Before the first step it is where they begin, and no change.
    values = np.array([2.0, 2.0, 1.0])
    assert clockwork.place({"k": values}, ALL) == {"k"}
    assert clockwork.segments.tolist() == [0, 0, 0]
    clockwork.tick(NONE)
    which = np.array([True, False, True])
    assert clockwork.place({"k": np.array([2.0, 7.0, 5.0])}, which) == {"k"}
    assert clockwork.context["k"].tolist() == [2.0, 2.0, 5.0]
    assert clockwork.segments.tolist() == [0, 0, 1]
    assert clockwork.changed.tolist() == [False, False, True]
    assert clockwork.place({"k": np.array([2.0, 7.0, 5.0])}, which) == set()
    other = started(Change("k", Values((1.0,)), At(())))
    other.set_state(clockwork.get_state())
    assert other.context["k"].tolist() == [2.0, 2.0, 5.0]
