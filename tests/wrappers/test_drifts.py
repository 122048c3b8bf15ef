import math
import random

import numpy as np
import pytest
from scipy import stats

from everlearn.wrappers.drifts import Linear, OrnsteinUhlenbeck, RandomWalk, Sine
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.values import ValueLaw

WALK = RandomWalk(start=2.0, standard_deviation=0.5)
DRIFT = OrnsteinUhlenbeck(mean=1.0, standard_deviation=0.3, rate=0.1)


@pytest.mark.parametrize("law", [WALK, DRIFT])
def test_any_order_of_look_ups_gives_the_same_values(law: ValueLaw) -> None:
    numbers = list(range(300))
    forward = [law.value(number, (5,)) for number in numbers]
    random.Random(0).shuffle(numbers)
    shuffled = {number: law.value(number, (5,)) for number in numbers}
    assert forward == [shuffled[number] for number in range(300)]
    assert forward != [law.value(number, (6,)) for number in range(300)]


def test_a_random_walk_has_independent_normal_steps() -> None:
    steps = np.diff([WALK.value(number, (0,)) for number in range(4097)]) / 0.5
    assert stats.kstest(steps, stats.norm.cdf).pvalue > 0.01
    correlation = np.corrcoef(steps[:-1], steps[1:])[0, 1]
    assert abs(correlation) < 4 / math.sqrt(4096)
    # Pairs that meet at a power of two were drawn at different depths of the tree.
    ends = [WALK.value(1024, (seed,)) for seed in range(400)]
    assert abs(np.std(ends) / (0.5 * math.sqrt(1024)) - 1) < 4 / math.sqrt(800)


def test_an_ornstein_uhlenbeck_drift_is_stationary_with_its_correlation() -> None:
    paths = np.array([[DRIFT.value(n, (seed,)) for n in range(40)] for seed in range(2000)])
    scaled = (paths - 1.0) / 0.3
    assert np.abs(scaled.mean(axis=0)).max() < 4.5 / math.sqrt(2000)
    assert np.abs(scaled.std(axis=0) - 1).max() < 4.5 / math.sqrt(4000)
    for lag in (1, 2, 5, 13):
        for begin in (0, 3, 8, 15):
            correlation = np.mean(scaled[:, begin] * scaled[:, begin + lag])
            assert abs(correlation - math.exp(-0.1 * lag)) < 4.5 / math.sqrt(1000)


def test_far_places_are_found_at_once() -> None:
    assert math.isfinite(WALK.value(10**15, (0,)))
    assert abs(DRIFT.value(10**15, (0,)) - 1.0) < 3.0


def test_line_and_wave_by_hand() -> None:
    assert [Linear(1.0, -0.5).value(number, ()) for number in range(3)] == [1.0, 0.5, 0.0]
    wave = Sine(mean=0.0, amplitude=2.0, period=8.0, phase=0.25)
    assert wave.value(0, ()) == pytest.approx(2.0)
    assert wave.value(4, ()) == pytest.approx(-2.0)


@pytest.mark.parametrize(
    ("law", "arguments"),
    [
        (Linear, (math.nan, 1.0)),
        (Sine, (0.0, 1.0, 0.0)),
        (RandomWalk, (0.0, 0.0)),
        (OrnsteinUhlenbeck, (0.0, 1.0, 0.0)),
    ],
)
def test_settings_out_of_range_are_refused(law: type, arguments: tuple) -> None:
    with pytest.raises(SettingsError):
        law(*arguments)
