from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everlearn.wrappers.change import Change, Place, places
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.lengths import GeometricLength
from everlearn.wrappers.schedules import At, Periodic, Piecewise
from everlearn.wrappers.transitions import LinearRamp
from everlearn.wrappers.values import LogUniform, Values

FRICTION = Change("friction", LogUniform(0.02, 2.0), Periodic(500))
GRAVITY = Change("gravity", Values((1.0, 2.0)), At((300, 700)))


@pytest.mark.parametrize("change", [FRICTION, GRAVITY])
def test_plain_data_reads_back(change: Change) -> None:
    assert Change.from_data(change.to_data()) == change


@given(st.integers(0, 5000), st.integers(0, 2**31))
def test_a_state_is_a_pure_function(clock: int, seed: int) -> None:
    seeds = FRICTION.seeds(seed, Place(0, 0), copy=0, episode=0)
    state = FRICTION.state(clock, seeds)
    assert FRICTION.state(clock, seeds) == state
    assert state.start <= clock
    assert state.stop is None or clock < state.stop


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ({"law": {"kind": "LogUnifrom", "low": 1, "high": 2}}, "did you mean 'LogUniform'"),
        ({"law": {"kind": "LogUniform", "lo": 1, "high": 2}}, "did you mean 'low'"),
        ({"law": {"kind": "LogUniform", "low": 1}}, "high"),
        ({"schedule": 5}, "schedule of the change of 'friction' must not be 5"),
        ({"shedule": {}}, "did you mean 'schedule'"),
    ],
)
def test_damaged_data_gets_a_sentence(damage: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        Change.from_data({**FRICTION.to_data(), **damage})


def test_changes_with_equal_timing_land_together() -> None:
    timing = {"schedule": Piecewise(GeometricLength(0.02)), "clock": "copy", "scope": "shared"}
    changes = [
        Change("x", LogUniform(0.1, 1.0), **timing),  # type: ignore[arg-type]
        GRAVITY,
        Change("y", LogUniform(0.1, 1.0), **timing),  # type: ignore[arg-type]
        Change("z", LogUniform(0.1, 1.0), **{**timing, "clock": "global"}),  # type: ignore[arg-type]
    ]
    assert [place.group for place in places(changes)] == [0, 1, 0, 3]
    states = [
        change.state(1000, change.seeds(0, place, 0, 0))
        for change, place in zip(changes, places(changes), strict=True)
    ]
    assert states[0].start == states[2].start != states[3].start
    assert states[0].value != states[2].value


def test_a_landmark_leaves_out_noise_and_the_way() -> None:
    change = Change("wind", Values((1.0, 3.0)), At((100,)), transition=LinearRamp(50), noise=0.1)
    seeds = change.seeds(0, Place(0, 0), 0, 0)
    told = [change.landmark(clock, seeds) for clock in (0, 100, 150)]
    assert [(state.value, state.stop) for state in told] == [(1.0, 100), (1.0, 150), (3.0, None)]
    assert change.state(0, seeds).stop == 1


@pytest.mark.parametrize("knob", [None, 3, {}, ["friction"]])
def test_a_knob_is_a_name(knob: object) -> None:
    with pytest.raises(SettingsError, match="a change's knob must be a name, not"):
        Change.from_data({"knob": knob, "law": {}, "schedule": {}})
