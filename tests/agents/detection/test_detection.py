"""What all detectors promise, on streams of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from everlearn.agents.detection import (
    CUSUM,
    BayesianOnline,
    Detector,
    LossDeviation,
    find_changes,
    pack_state,
    unpack_state,
)
from everlearn.evaluation.metrics.detection import detection_figures
from everlearn.wrappers.errors import SettingsError

KINDS: list[type[Detector]] = [LossDeviation, CUSUM, BayesianOnline]
# Streams of 10,000 values; the Bayesian test takes several times as long as the others.
LONG = [(LossDeviation, 3), (CUSUM, 3), (BayesianOnline, 1)]


@pytest.mark.parametrize(("kind", "seeds"), LONG)
def test_less_than_one_false_alarm_in_10_000_values(kind: type[Detector], seeds: int) -> None:
    for seed in range(seeds):
        noise = np.random.default_rng(seed).normal(size=10_000)
        assert find_changes(kind(), noise) == []


@pytest.mark.parametrize("kind", KINDS)
def test_it_notices_a_rise_of_three_deviations_within_two_windows(kind: type[Detector]) -> None:
    delays: list[int] = []
    for seed in range(21):
        noise = np.random.default_rng(seed).normal(size=300)
        found = find_changes(kind(), 0.1 * (noise + 3 * (np.arange(300) >= 150)) - 7)
        figures = detection_figures([150], found, 300)
        assert figures.false_alarms == 0
        delays += figures.delays
    assert len(delays) >= 20
    # Calibrated on 100 seeds: medians of 3 to 6 values.
    assert np.median(delays) <= 10 < 2 * kind().window


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_silent_while_a_loss_merely_falls(kind: type[Detector]) -> None:
    steps = np.arange(600)
    noise = np.random.default_rng(0).normal(size=600)
    for loss in (5 * np.exp(-steps / 100), 10 - steps / 60, 5 / (1 + steps / 50)):
        assert find_changes(kind(), loss + 0.3 * noise) == []
        assert find_changes(kind(), np.log(loss) + 0.3 * noise) == []


@pytest.mark.parametrize("kind", KINDS)
def test_rises_of_less_than_the_least_deviation_are_none(kind: Any) -> None:
    noise = np.random.default_rng(0).normal(size=300)
    rising = 0.1 * (noise + 3 * (np.arange(300) >= 150))
    assert find_changes(kind(), rising)
    assert find_changes(kind(least_deviation=1.0), rising) == []
    assert find_changes(kind(least_deviation=1.0), rising * 10)


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_is_no_change_and_leaving_it_is(kind: type[Detector]) -> None:
    for constant in (0.0, 0.1, -1e9):
        assert find_changes(kind(), np.full(200, constant)) == []
        left = np.append(np.full(150, constant), np.full(20, constant + max(1, abs(constant))))
        assert find_changes(kind(), left)[0] <= 160


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_is_saved_as_numbers(kind: type[Detector]) -> None:
    detector, rng = kind(), np.random.default_rng(0)
    for count in (0, 30, 40):
        state: Any = detector.begin()
        for value in rng.normal(size=count):
            state, _ = detector.step(state, value)
        again = unpack_state(detector.begin(), pack_state(state))
        for one, other in zip(state, again, strict=True):
            assert type(one) is type(other)
            assert np.array_equal(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_changes_no_state_in_place(kind: type[Detector]) -> None:
    detector = kind()
    state: Any = detector.begin()
    for value in np.random.default_rng(0).normal(size=130):
        before = pack_state(state)
        following, _ = detector.step(state, value)
        assert np.array_equal(before, pack_state(state))
        state = following


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_finite_is_refused(kind: type[Detector]) -> None:
    with pytest.raises(SettingsError, match="a detector needs finite values, not nan"):
        find_changes(kind(), [1.0, float("nan")])


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (LossDeviation, {"window": 2}),
        (LossDeviation, {"smoothing": 0.0}),
        (LossDeviation, {"threshold": float("inf")}),
        (LossDeviation, {"patience": 0}),
        (CUSUM, {"least_deviation": -1.0}),
        (CUSUM, {"slack": -1.0}),
        (CUSUM, {"lag": -1}),
        (BayesianOnline, {"hazard": 1.0}),
        (BayesianOnline, {"threshold": 1.0}),
        (BayesianOnline, {"recent": 50}),
        (BayesianOnline, {"longest": 49}),
    ],
)
def test_wrong_settings(kind: type, wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=f"{kind.__name__} setting '{next(iter(wrong))}' must"):
        kind(**wrong)


def test_the_bayesian_belief_is_the_exact_one() -> None:
    """Against a sum over all pasts of a segment's age, for a few values."""
    detector = BayesianOnline(window=3, recent=1, longest=9, hazard=0.2, threshold=0.9999)
    values = np.random.default_rng(1).normal(size=8)
    state = detector.begin()
    for value in values:
        state, _ = detector.step(state, value)
    mean, variance = values[:3].mean(), values[:3].var(ddof=1)

    def density(value: float, past: np.ndarray) -> float:
        import scipy.stats

        n, weight = len(past), detector.prior_weight
        center = (weight * mean + past.sum()) / (weight + n)
        alpha, beta = 0.5 + n / 2, variance / 2
        if n:
            beta += np.square(past - past.mean()).sum() / 2
            beta += weight * n / (weight + n) * (past.mean() - mean) ** 2 / 2
        scale = np.sqrt(beta * (weight + n + 1) / (alpha * (weight + n)))
        return float(scipy.stats.t.pdf(value, 2 * alpha, center, scale))

    beliefs = {0: 1.0}
    for place in range(3, 8):
        value = values[place]
        moved = {
            begin: belief * 0.8 * density(value, values[begin:place])
            for begin, belief in beliefs.items()
        }
        moved[place] = 0.2 * density(value, values[:0])
        beliefs = {begin: belief / sum(moved.values()) for begin, belief in moved.items()}
    ages = {8 - begin: belief for begin, belief in beliefs.items()}
    got = np.exp(state.log_belief)
    assert got.sum() == pytest.approx(1)
    for age, belief in ages.items():
        assert got[age - 1] == pytest.approx(belief, rel=1e-9)
