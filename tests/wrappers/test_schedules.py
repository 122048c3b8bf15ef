import pytest
from hypothesis import given
from hypothesis import strategies as st

from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.lengths import ClippedNormalLength, GeometricLength
from everlearn.wrappers.schedules import At, Periodic, Piecewise, Schedule, Segment

lengths = st.one_of(
    st.floats(1e-4, 1.0).map(GeometricLength),
    st.builds(ClippedNormalLength, st.floats(1.0, 1e4), st.floats(0.0, 1e3), st.integers(1, 100)),
)
schedules = st.one_of(
    lengths.map(Piecewise),
    st.integers(1, 10**9).map(Periodic),
    st.sets(st.integers(1, 10**9)).map(lambda steps: At(tuple(sorted(steps)))),
)


@given(schedules, st.integers(0, 10**6))
def test_a_clock_lies_in_its_segment(schedule: Schedule, clock: int) -> None:
    segment = schedule.segment(clock, ())
    assert segment.start <= clock
    assert segment.stop is None or clock < segment.stop


@given(schedules, st.integers(0, 10**6))
def test_segments_follow_one_another(schedule: Schedule, clock: int) -> None:
    segment = schedule.segment(clock, ())
    if segment.stop is not None:
        following = schedule.segment(segment.stop, ())
        assert following.number == segment.number + 1
        assert following.start == segment.stop
    if segment.start > 0:
        assert schedule.segment(segment.start - 1, ()).number == segment.number - 1


def test_periodic_by_hand() -> None:
    assert Periodic(500).segment(499, ()) == Segment(0, 0, 500)
    assert Periodic(500).segment(500, ()) == Segment(1, 500, 1000)


@pytest.mark.parametrize("period", [0, -1, 1.5, True, "500"])
def test_a_period_must_be_a_positive_whole_number(period: object) -> None:
    with pytest.raises(SettingsError, match="period must be a whole number"):
        Periodic(period)  # type: ignore[arg-type]


@pytest.mark.parametrize("steps", [(0,), (5, 5), (5, 4)])
def test_stated_moments_must_rise_from_one(steps: tuple[int, ...]) -> None:
    with pytest.raises(SettingsError):
        At(steps)
