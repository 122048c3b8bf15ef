import numpy as np
import pytest
from scipy import stats

from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.lengths import ClippedNormalLength, GeometricLength
from everlearn.wrappers.schedules import Piecewise


def lengths_of(schedule: Piecewise, count: int) -> np.ndarray:
    stops = [0]
    while len(stops) <= count:
        stop = schedule.segment(stops[-1], (0,)).stop
        assert stop is not None
        stops.append(stop)
    return np.diff(stops)


def test_clipped_normal_segments_have_secbads_law() -> None:
    lengths = lengths_of(Piecewise(ClippedNormalLength(60, 20, 10)), 4000)
    # Measured for max(int(N(60, 20)), 10) with 10^6 draws: mean 59.55, standard deviation 19.9.
    assert abs(lengths.mean() - 59.55) < 4 * 19.9 / np.sqrt(4000)
    assert abs(lengths.std() - 19.9) < 1.0
    assert lengths.min() == 10


def test_geometric_segments_have_their_law() -> None:
    lengths = lengths_of(Piecewise(GeometricLength(0.2)), 4000)
    observed = np.bincount(np.minimum(lengths, 15), minlength=16)[1:]
    expected = stats.geom(0.2).pmf(np.arange(1, 16))
    expected[-1] = stats.geom(0.2).sf(14)
    assert stats.chisquare(observed, 4000 * expected).pvalue > 0.001


def test_any_order_of_look_ups_gives_the_same_segments() -> None:
    schedule = Piecewise(ClippedNormalLength(60, 20, 10))
    forward = [schedule.segment(clock, (3,)) for clock in range(0, 100_000, 997)]
    other = Piecewise(ClippedNormalLength(60, 20, 10))
    backward = [other.segment(clock, (3,)) for clock in reversed(range(0, 100_000, 997))]
    assert forward == backward[::-1]


@pytest.mark.parametrize(
    ("law", "arguments"),
    [
        (GeometricLength, (0.0,)),
        (GeometricLength, (1.1,)),
        (ClippedNormalLength, (0.0, 1.0)),
        (ClippedNormalLength, (60.0, -1.0)),
        (ClippedNormalLength, (60.0, 1.0, 0)),
    ],
)
def test_settings_out_of_range_are_refused(law: type, arguments: tuple) -> None:
    with pytest.raises(SettingsError):
        law(*arguments)


def test_piecewise_needs_a_law() -> None:
    with pytest.raises(SettingsError, match="law of lengths"):
        Piecewise(60)  # type: ignore[arg-type]
