from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everlearn.wrappers.change import Change, Timeline
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.schedules import At, Periodic
from everlearn.wrappers.values import LogUniform, Uniform, Values

FRICTION = Change("friction", LogUniform(0.02, 2.0), Periodic(500))
GRAVITY = Change("gravity", Values((1.0, 2.0)), At((300, 700)))


@pytest.mark.parametrize("change", [FRICTION, GRAVITY])
def test_plain_data_reads_back(change: Change) -> None:
    assert Change.from_data(change.to_data()) == change


@given(st.integers(0, 5000), st.integers(0, 2**31))
def test_a_timeline_is_a_pure_function(clock: int, seed: int) -> None:
    moment = Timeline([FRICTION, GRAVITY], seed).at(clock)
    assert Timeline([FRICTION, GRAVITY], seed).at(clock) == moment
    assert moment.start <= clock
    assert moment.stop is None or clock < moment.stop


def test_segments_count_the_changes_of_all_knobs() -> None:
    timeline = Timeline([FRICTION, GRAVITY], 0)
    assert [timeline.at(clock).segment for clock in (0, 299, 300, 500, 700)] == [0, 0, 1, 2, 3]
    assert timeline.at(600).start == 500
    assert timeline.at(600).stop == 700


def test_two_knobs_draw_independently() -> None:
    changes = [Change(knob, Uniform(0.0, 1.0), Periodic(1)) for knob in ("a", "b")]
    context = Timeline(changes, 0).at(0).context
    assert context["a"] != context["b"]


def test_one_knob_has_one_change() -> None:
    with pytest.raises(SettingsError, match="two changes move the same knob 'friction'"):
        Timeline([FRICTION, FRICTION], 0)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ({"law": {"kind": "LogUnifrom", "low": 1, "high": 2}}, "did you mean 'LogUniform'"),
        ({"law": {"kind": "LogUniform", "lo": 1, "high": 2}}, "did you mean 'low'"),
        ({"law": {"kind": "LogUniform", "low": 1}}, "high"),
        ({"schedule": 5}, "must be a mapping"),
        ({"shedule": {}}, "did you mean 'schedule'"),
    ],
)
def test_damaged_data_gets_a_sentence(damage: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        Change.from_data({**FRICTION.to_data(), **damage})
