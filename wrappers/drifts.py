"""Values that drift from segment to segment, found at any segment without those before it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from .checks import require_above, require_finite
from .serialization import kind
from .values import ValueLaw


@kind
@dataclass(frozen=True)
class Linear(ValueLaw):
    """A straight line.

    Args:
        start: value of segment 0.
        slope: what each segment adds.

    Example:
        >>> Linear(1.0, 0.5).value(4, ())
        3.0
    """

    start: float
    slope: float

    def __post_init__(self) -> None:
        require_finite("start", self.start)
        require_finite("slope", self.slope)

    def value(self, number: int, seed: Sequence[int]) -> float:
        """Follow the line."""
        return self.start + self.slope * number


@kind
@dataclass(frozen=True)
class Sine(ValueLaw):
    """A sine wave.

    Args:
        mean: its middle.
        amplitude: its largest distance from the middle.
        period: segments in a full wave, above 0.
        phase: where it begins, in full waves: 0.25 begins at the top.

    Example:
        >>> Sine(mean=1.0, amplitude=2.0, period=4.0).value(1, ())
        3.0
    """

    mean: float
    amplitude: float
    period: float
    phase: float = 0.0

    def __post_init__(self) -> None:
        require_finite("mean", self.mean)
        require_finite("amplitude", self.amplitude)
        require_above("period", self.period, 0.0)
        require_finite("phase", self.phase)

    def value(self, number: int, seed: Sequence[int]) -> float:
        """Follow the wave."""
        return self.mean + self.amplitude * math.sin(
            2 * math.pi * (number / self.period + self.phase)
        )


@kind
@dataclass(frozen=True)
class RandomWalk(ValueLaw):
    """A Gaussian random walk.

    Any point is found in a number of draws that grows with the logarithm of its number: first the
    walk at powers of two, then midpoint by midpoint, each given the two ends around it (Lévy's
    construction of Brownian motion, on whole numbers).

    Args:
        start: value of segment 0.
        standard_deviation: of each step, above 0.

    Example:
        >>> walk = RandomWalk(start=1.0, standard_deviation=0.1)
        >>> walk.value(0, (0,))
        1.0
        >>> abs(walk.value(1001, (0,)) - walk.value(1000, (0,))) < 1.0
        True
    """

    start: float
    standard_deviation: float

    def __post_init__(self) -> None:
        require_finite("start", self.start)
        require_above("standard_deviation", self.standard_deviation, 0.0)

    def value(self, number: int, seed: Sequence[int]) -> float:
        """Find the walk's place."""
        state = _mix_all(seed)
        left, right = 0, 1
        at_left, at_right = 0.0, _normal(state, 1)
        while right < number:
            left, right = right, 2 * right
            at_left, at_right = at_right, at_right + math.sqrt(left) * _normal(state, right)
        while number not in (left, right):
            middle = (left + right) // 2
            spread = math.sqrt((right - left) / 4)
            at_middle = (at_left + at_right) / 2 + spread * _normal(state, middle)
            if number >= middle:
                left, at_left = middle, at_middle
            else:
                right, at_right = middle, at_middle
        place = at_left if number == left else at_right
        return self.start + self.standard_deviation * place


@kind
@dataclass(frozen=True)
class OrnsteinUhlenbeck(ValueLaw):
    """A stationary Gaussian drift that is drawn back to its mean.

    Found at any point as `RandomWalk` is, with the conditional law of a first-order autoregressive
    process: between two values at distance 2m its midpoint is normal with mean
    r (a + b) / (1 + r²) and variance s² (1 - r²) / (1 + r²), where r = exp(-rate m).

    Args:
        mean: what it is drawn to.
        standard_deviation: of a value, at any time; above 0.
        rate: how strongly it is drawn back at each segment, above 0: the correlation of
            neighbours is exp(-rate).

    Example:
        >>> drift = OrnsteinUhlenbeck(mean=1.0, standard_deviation=0.2, rate=0.01)
        >>> 0.0 < drift.value(10**6, (0,)) < 2.0
        True
    """

    mean: float
    standard_deviation: float
    rate: float

    def __post_init__(self) -> None:
        require_finite("mean", self.mean)
        require_above("standard_deviation", self.standard_deviation, 0.0)
        require_above("rate", self.rate, 0.0)

    def value(self, number: int, seed: Sequence[int]) -> float:
        """Find the process's place."""
        state = _mix_all(seed)
        left, right = 0, 1
        at_left = _normal(state, 0)
        at_right = self._onward(at_left, 1, _normal(state, 1))
        while right < number:
            left, right = right, 2 * right
            at_left, at_right = at_right, self._onward(at_right, left, _normal(state, right))
        while number not in (left, right):
            middle = (left + right) // 2
            correlation = math.exp(-self.rate * (right - left) / 2)
            spread = math.sqrt((1 - correlation**2) / (1 + correlation**2))
            pull = correlation / (1 + correlation**2)
            at_middle = pull * (at_left + at_right) + spread * _normal(state, middle)
            if number >= middle:
                left, at_left = middle, at_middle
            else:
                right, at_right = middle, at_middle
        place = at_left if number == left else at_right
        return self.mean + self.standard_deviation * place

    def _onward(self, value: float, distance: int, noise: float) -> float:
        correlation = math.exp(-self.rate * distance)
        return correlation * value + math.sqrt(1 - correlation**2) * noise


def unit_normal(seed: Sequence[int], number: int) -> float:
    """Draw the standard normal number that belongs to a seed and a number.

    Args:
        seed: entropy.
        number: which of the draws, at least 0.
    """
    return _normal(_mix_all(seed), number)


_MASK = 2**64 - 1
_STANDARD_NORMAL = NormalDist()


def _normal(state: int, number: int) -> float:
    bits = _mix(state ^ _mix(number)) >> 11
    return _STANDARD_NORMAL.inv_cdf((bits + 0.5) / 2**53)


def _mix_all(seed: Sequence[int]) -> int:
    state = 0
    for word in seed:
        state = _mix(state ^ _mix(word))
    return state


def _mix(word: int) -> int:
    """Scramble 64 bits: the output function of SplitMix64 (Steele, Lea and Flood, 2014).

    A tree of draws needs dozens of them for one value, and creating a numpy generator for each
    would cost fifty times as much.
    """
    word = (word + 0x9E3779B97F4A7C15) & _MASK
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
    return word ^ (word >> 31)
