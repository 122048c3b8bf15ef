"""Bayesian online change-point detection: how old is the segment?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
from scipy.special import gammaln, logsumexp

from .detector import Detector


class BayesianState(NamedTuple):
    """What is believed of the segment's age, after a first window.

    Attributes:
        first: the first values, of shape (window,), of which the prior is made.
        seen: values seen.
        log_belief: logarithms of the probabilities of ages 1, 2, ..., `longest` or more.
        sizes: values in a segment of each age.
        means: their mean.
        squares: their sum of squared deviations from it.
    """

    first: np.ndarray
    seen: int
    log_belief: np.ndarray
    sizes: np.ndarray
    means: np.ndarray
    squares: np.ndarray


@final
@dataclass(frozen=True)
class BayesianOnline(Detector):
    """Bayesian online change-point detection (Adams and MacKay 2007, arXiv 0710.3742).

    Segments are of independent normal numbers whose mean and variance have the conjugate
    normal-inverse-gamma prior, and end with probability `hazard` at each value. The posterior of
    the segment's age is exact up to `longest` ages; all that is older is one age. The prior is
    made of the first `window` values (the paper leaves it to the user): their mean, with the
    weight of `prior_weight` values, and their variance with that of one.

    An alarm (ours; the paper has the posterior alone) is raised where the age is at most `recent`
    values with a probability above `threshold`, and the likeliest recent segment lies higher than
    the likeliest older one.

    Example:
        >>> from everlearn.agents.detection import find_changes
        >>> noise = np.random.default_rng(0).normal(size=400)
        >>> find_changes(BayesianOnline(), noise - np.arange(400) / 10)
        []
    """

    window: int = 50
    """First values, of which the prior is made, 3 or more (ours)."""

    hazard: float = 1e-3
    """Probability of a change at each value, more than 0 and less than 1 (ours)."""

    threshold: float = 0.99
    """How sure it must be, more than 0 and less than 1 (ours)."""

    recent: int = 25
    """Ages that tell of a change, 1 or more and less than the window (ours)."""

    longest: int = 100
    """Ages that are told apart, the window or more (ours: twice the window)."""

    prior_weight: float = 0.05
    """How many values the prior mean counts for, more than 0 (ours: rises of 4 deviations)."""

    least_deviation: float = 0.0
    """A standard deviation below which nothing is told apart, 0 or more (ours: none)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        self.require(
            least_deviation=(self.least_deviation >= 0, "0 or more"),
            window=(self.window >= 3, "3 or more"),
            hazard=(0 < self.hazard < 1, "more than 0 and less than 1"),
            threshold=(0 < self.threshold < 1, "more than 0 and less than 1"),
            recent=(1 <= self.recent < self.window, "1 or more and less than the window"),
            longest=(self.longest >= self.window, "the window or more"),
            prior_weight=(self.prior_weight > 0, "more than 0"),
        )

    def begin(self) -> BayesianState:
        """Return the state before the first value."""
        empty = np.zeros(self.longest)
        return BayesianState(np.zeros(self.window), 0, np.full_like(empty, -np.inf), *[empty] * 3)

    def advance(self, state: BayesianState, value: float) -> tuple[BayesianState, bool]:
        """Return the state after a value, and whether the segment is young and higher."""
        if state.seen < self.window:
            return self._gather(state, value), False
        mean, variance = self._prior(state.first)
        new = np.zeros(1)
        of_new = self._log_predictive(value, new, np.full(1, mean), new, mean, variance)
        statistics = state.sizes, state.means, state.squares
        of_old = self._log_predictive(value, *statistics, mean, variance)
        # The belief sums to one: what begins now begins with the hazard.
        begun = np.log(self.hazard) + of_new
        grown = np.log1p(-self.hazard) + state.log_belief + of_old
        beliefs, *moved = self._age(np.append(begun, grown), *statistics)
        beliefs = beliefs - logsumexp(beliefs)
        sizes, means, squares = _add(value, *moved)
        state = BayesianState(state.first, state.seen + 1, beliefs, sizes, means, squares)
        return state, self._has_risen(state, self.threshold)

    def suspects(self, state: BayesianState) -> bool:
        """Say whether a recent rise is likelier than none."""
        return state.seen > self.window and self._has_risen(state, 0.5)

    def _gather(self, state: BayesianState, value: float) -> BayesianState:
        first = state.first.copy()
        first[state.seen] = value
        seen = state.seen + 1
        if seen < self.window:
            return state._replace(first=first, seen=seen)
        place = self.window - 1
        beliefs, sizes, means, squares = (array.copy() for array in state[2:])
        beliefs[place], sizes[place] = 0.0, self.window
        means[place], squares[place] = first.mean(), np.square(first - first.mean()).sum()
        return BayesianState(first, seen, beliefs, sizes, means, squares)

    def _prior(self, first: np.ndarray) -> tuple[float, float]:
        mean = float(first.mean())
        # So that a constant has a density.
        return mean, max(float(first.var(ddof=1)), (1e-6 * abs(mean)) ** 2, 1e-300)

    def _log_predictive(
        self,
        value: float,
        sizes: np.ndarray,
        means: np.ndarray,
        squares: np.ndarray,
        prior_mean: float,
        prior_variance: float,
    ) -> np.ndarray:
        """Return the logarithms of Student's t densities of the next value, one for each age."""
        weight = self.prior_weight + sizes
        center = (self.prior_weight * prior_mean + sizes * means) / weight
        apart = self.prior_weight * sizes / weight * np.square(means - prior_mean)
        alpha = 0.5 + sizes / 2
        beta = (prior_variance + squares + apart) / 2
        scale = beta * (weight + 1) / (alpha * weight)
        scale = np.maximum(scale, self.least_deviation**2)
        squared = np.square(value - center) / (2 * alpha * scale)
        constant = gammaln(alpha + 0.5) - gammaln(alpha) - 0.5 * np.log(2 * np.pi * alpha * scale)
        return constant - (alpha + 0.5) * np.log1p(squared)

    def _age(self, beliefs: np.ndarray, *statistics: np.ndarray) -> tuple[np.ndarray, ...]:
        """Let all segments be a value older; the two oldest become one."""
        aged = beliefs[:-1].copy()
        aged[-1] = np.logaddexp(beliefs[-2], beliefs[-1])
        likelier = -1 if beliefs[-1] > beliefs[-2] else -2
        moved = []
        for array in statistics:
            shifted = np.concatenate([[0.0], array])
            shifted[-2] = shifted[likelier]
            moved.append(shifted[:-1])
        return aged, *moved

    def _has_risen(self, state: BayesianState, probability: float) -> bool:
        young, old = state.log_belief[: self.recent], state.log_belief[self.recent :]
        if logsumexp(young) <= np.log(probability):
            return False
        newer, older = int(young.argmax()), self.recent + int(old.argmax())
        return bool(state.means[newer] > state.means[older])


def _add(
    value: float, sizes: np.ndarray, means: np.ndarray, squares: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Add a value to segments of some sizes, means and sums of squared deviations."""
    grown = sizes + 1
    moved = means + (value - means) / grown
    return grown, moved, squares + (value - means) * (value - moved)
