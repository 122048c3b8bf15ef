import pytest
from hypothesis import given
from hypothesis import strategies as st

from everlearn.wrappers.change import Change, Place
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.schedules import At
from everlearn.wrappers.transitions import LinearRamp, SigmoidRamp, Step, Transition
from everlearn.wrappers.values import Values

ramps = st.integers(1, 10**6).flatmap(lambda n: st.sampled_from([LinearRamp(n), SigmoidRamp(n)]))


@given(ramps, st.integers(0, 10**6))
def test_ramps_rise_from_nothing_to_all(ramp: Transition, since: int) -> None:
    assert ramp.share(0) == 0.0
    assert ramp.share(ramp.duration) == 1.0
    assert 0.0 <= ramp.share(since) <= ramp.share(since + 1) <= 1.0


@given(st.integers(1, 1000))
def test_a_sigmoid_is_as_far_from_its_end_as_from_its_begin(steps: int) -> None:
    ramp = SigmoidRamp(2 * steps)
    assert ramp.share(steps) == pytest.approx(0.5)
    assert ramp.share(steps // 2) + ramp.share(2 * steps - steps // 2) == pytest.approx(1.0)


def test_a_step_is_at_once() -> None:
    assert (Step().duration, Step().share(0)) == (0, 1.0)


def test_a_change_goes_along_its_ramp() -> None:
    change = Change("wind", Values((1.0, 3.0)), At((100,)), transition=LinearRamp(4))
    seeds = change.seeds(0, Place(0, 0), copy=0, episode=0)
    states = [change.state(clock, seeds) for clock in (0, 99, 100, 101, 103, 104, 500)]
    assert [state.value for state in states] == [1.0, 1.0, 1.0, 1.5, 2.5, 3.0, 3.0]
    assert [state.stop for state in states] == [100, 100, 101, 102, 104, None, None]


def test_a_ramp_takes_at_least_a_step() -> None:
    with pytest.raises(SettingsError, match="steps must be a whole number"):
        LinearRamp(0)
