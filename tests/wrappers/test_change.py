from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everlearn.wrappers.change import Change
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.schedules import At, Periodic
from everlearn.wrappers.values import LogUniform, Values

FRICTION = Change("friction", LogUniform(0.02, 2.0), Periodic(500))
GRAVITY = Change("gravity", Values((1.0, 2.0)), At((300, 700)))


@pytest.mark.parametrize("change", [FRICTION, GRAVITY])
def test_plain_data_reads_back(change: Change) -> None:
    assert Change.from_data(change.to_data()) == change


@given(st.integers(0, 5000), st.integers(0, 2**31))
def test_a_state_is_a_pure_function(clock: int, seed: int) -> None:
    state = FRICTION.state(clock, (seed, 0))
    assert FRICTION.state(clock, (seed, 0)) == state
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
