from __future__ import annotations

from itertools import islice

import pytest

from everlearn.envs import Stream, make_stream
from everlearn.training import timelines as timelines_
from everlearn.training.timelines import timelines
from everlearn.wrappers.change import Change
from everlearn.wrappers.drifts import Linear
from everlearn.wrappers.schedules import At, Periodic
from everlearn.wrappers.transitions import LinearRamp
from everlearn.wrappers.values import LogUniform, Values

FRICTION = Change("friction", LogUniform(0.1, 1.0), Periodic(30))
WIND = Change("wind-x", Values((0.0, 1.0)), Periodic(40), LinearRamp(20), clock="copy")
IN_EPISODE = Change("gravity-scale", LogUniform(0.5, 2.0), Periodic(7), clock="episode")
BY_EPISODE = Change("mass-scale", Linear(1.0, 0.1), Periodic(2), clock="episodes")


def stream_of(*changes: Change) -> Stream:
    return Stream("s", ("Hopper-v5",), changes)


@pytest.mark.parametrize("n_envs", [1, 4])
@pytest.mark.parametrize("changes", [(FRICTION,), (FRICTION, WIND), (WIND,)])
def test_the_streams_own_table_is_among_the_contexts(
    changes: tuple[Change, ...], n_envs: int
) -> None:
    stream = stream_of(*changes)
    (line,) = timelines(stream, n_steps=500, seed=3, n_envs=n_envs)
    contexts = {row.step: row for row in line.contexts()}
    table = stream.table(500, seed=3, n_envs=n_envs)
    assert len(table) > 4
    for row in table:
        assert contexts[row.step] == row
    if changes == (FRICTION,):
        assert list(contexts.values()) == table


def test_segments_leave_out_what_moves_within_them() -> None:
    (line,) = timelines(stream_of(WIND), n_steps=100)
    assert [(row.step, row.segment) for row in line.segments()] == [(0, 0), (40, 1), (80, 2)]
    assert len(list(line.contexts())) > 30


def test_what_counts_other_things_has_a_timeline_of_its_own() -> None:
    stream = stream_of(FRICTION, IN_EPISODE, BY_EPISODE)
    steps, inside, episodes = timelines(stream, n_steps=100, n_envs=2)
    assert [line.counts for line in (steps, inside, episodes)] == [
        "environment steps",
        "steps of the first episode",
        "episodes",
    ]
    assert inside.end == 50
    assert [row.context["mass-scale"] for row in islice(episodes.segments(), 3)] == [1.0, 1.1, 1.2]
    # Alone, a change draws what it draws among others.
    alone = [row.context["gravity-scale"] for row in inside.segments()]
    among = {row.step: row.context["gravity-scale"] for row in stream.table(50, seed=0)}
    assert alone == [among[step] for step in range(0, 50, 7)]


@pytest.mark.parametrize(
    ("change", "end"),
    [
        (Change("friction", Values((1.0,)), Periodic(2_000_000)), 20_000_000),
        (Change("friction", Values((1.0,)), Periodic(1)), 300),
        (Change("friction", Values((1.0,)), At((1000,))), 1250),
        (Change("friction", Values((1.0,)), At(())), 300),
        (Change("friction", Values((1.0,) * 20), Periodic(100)), 2000),
    ],
)
def test_the_end_shows_ten_segments_or_all_that_are_listed(change: Change, end: int) -> None:
    (line,) = timelines(stream_of(change))
    assert line.end == end


def test_points_are_sampled_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timelines_, "MOST_POINTS", 100)
    monkeypatch.setattr(timelines_, "SAMPLES", 10)
    ramp = Change("wind-x", Values((0.0, 1.0)), Periodic(123), LinearRamp(123))
    (line,) = timelines(stream_of(ramp), n_steps=1000)
    steps = [row.step for row in line.points(ramp)]
    assert set(steps) == {*range(0, 1000, 100), *range(0, 1000, 123)}
    assert steps == sorted(steps)


def test_a_stream_without_changes_has_none() -> None:
    assert timelines(stream_of()) == []
    assert len(timelines(make_stream("everlearn/SlipperyAnt-v0").frozen())) == 1
