"""What a knob's value becomes: pure functions from a segment's index to a number."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .errors import SettingsError


class ValueLaw(ABC):
    """The value that holds in each segment. It holds no state: index and seed say it all."""

    @abstractmethod
    def value(self, index: int, seed: Sequence[int]) -> float:
        """Compute the value of one segment, without computing those before it.

        Args:
            index: the segment's index, at least 0.
            seed: entropy for laws that draw their values.

        Returns:
            The value, in the knob's unit.
        """


@dataclass(frozen=True)
class Values(ValueLaw):
    """A list of values in turn, from the start again when it ends.

    Args:
        values: the values, at least one.

    Example:
        >>> [Values((1.0, 5.0)).value(index, ()) for index in range(3)]
        [1.0, 5.0, 1.0]
    """

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise SettingsError("values must hold at least one value")
        for value in self.values:
            _require_finite("each of values", value)

    def value(self, index: int, seed: Sequence[int]) -> float:
        """Count through the list."""
        return float(self.values[index % len(self.values)])


@dataclass(frozen=True)
class Uniform(ValueLaw):
    """A fresh value for each segment, uniform on an interval.

    Args:
        low: lower end.
        high: upper end, above `low`.

    Example:
        >>> 1.0 <= Uniform(1.0, 2.0).value(7, (0,)) < 2.0
        True
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _require_interval(self.low, self.high)

    def value(self, index: int, seed: Sequence[int]) -> float:
        """Draw from the interval."""
        return float(_generator(index, seed).uniform(self.low, self.high))


@dataclass(frozen=True)
class LogUniform(ValueLaw):
    """A fresh value for each segment, whose logarithm is uniform on an interval.

    Args:
        low: lower end, above 0.
        high: upper end, above `low`.

    Example:
        >>> 0.02 <= LogUniform(0.02, 2.0).value(3, (0,)) < 2.0
        True
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _require_interval(self.low, self.high)
        if self.low <= 0:
            raise SettingsError(f"low must be above 0, not {self.low!r}")

    def value(self, index: int, seed: Sequence[int]) -> float:
        """Draw from the interval of logarithms."""
        exponent = _generator(index, seed).uniform(math.log(self.low), math.log(self.high))
        # Rounding in exp may step over the ends by one unit in the last place.
        return min(max(math.exp(exponent), self.low), self.high)


VALUE_LAWS: tuple[type[ValueLaw], ...] = (Values, Uniform, LogUniform)
"""Every value law that a stream's JSON may name."""


def _generator(index: int, seed: Sequence[int]) -> np.random.Generator:
    return np.random.default_rng([*seed, index])


def _require_finite(name: str, value: object) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value):  # type: ignore[arg-type]
        raise SettingsError(f"{name} must be a finite number, not {value!r}")


def _require_interval(low: object, high: object) -> None:
    _require_finite("low", low)
    _require_finite("high", high)
    if not low < high:  # type: ignore[operator]
        raise SettingsError(f"high must be above low, but {high!r} is not above {low!r}")
