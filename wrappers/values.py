"""What a knob's value becomes: pure functions from a segment's number to a value."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .checks import (
    require_above,
    require_finite,
    require_interval,
    require_weights,
    require_whole,
)
from .errors import SettingsError
from .serialization import kind


class ValueLaw(ABC):
    """The value that holds in each segment. It holds no state: number and seed say it all."""

    @abstractmethod
    def value(self, number: int, seed: Sequence[int]) -> float:
        """Compute the value of one segment, without computing those before it.

        Args:
            number: the segment's number, at least 0.
            seed: entropy for laws that draw their values.

        Returns:
            The value, in the knob's unit.
        """


@kind
@dataclass(frozen=True)
class Values(ValueLaw):
    """A list of values in turn, from the start again when it ends.

    Args:
        values: the values, at least one.

    Example:
        >>> [Values((1.0, 5.0)).value(number, ()) for number in range(3)]
        [1.0, 5.0, 1.0]
    """

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        _require_values(self.values)

    def value(self, number: int, seed: Sequence[int]) -> float:
        """Count through the list."""
        return float(self.values[number % len(self.values)])


@kind
@dataclass(frozen=True)
class Categorical(ValueLaw):
    """One of several values, drawn anew for each segment; it may be the one before.

    Args:
        values: the values, at least one.
        weights: how often each comes, in proportion; empty for equally often.

    Example:
        >>> Categorical((-1.0, 1.0)).value(4, (0,)) in (-1.0, 1.0)
        True
    """

    values: tuple[float, ...]
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _require_values(self.values)
        if self.weights:
            require_weights(self.weights, len(self.values))

    def value(self, number: int, seed: Sequence[int]) -> float:
        """Draw one of the values."""
        return float(self.values[_choose(len(self.values), self.weights, number, seed)])


@kind
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
        require_interval(self.low, self.high)

    def value(self, number: int, seed: Sequence[int]) -> float:
        """Draw from the interval."""
        return float(_generator(number, seed).uniform(self.low, self.high))


@kind
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
        require_interval(self.low, self.high)
        require_above("low", self.low, 0.0)

    def value(self, number: int, seed: Sequence[int]) -> float:
        """Draw from the interval of logarithms."""
        exponent = _generator(number, seed).uniform(math.log(self.low), math.log(self.high))
        # Rounding in exp may step over the ends by one unit in the last place.
        return min(max(math.exp(exponent), self.low), self.high)


@kind
@dataclass(frozen=True)
class Mixture(ValueLaw):
    """One of several laws, drawn anew for each segment, gives its value.

    Args:
        laws: the laws, at least one.
        weights: how often each is used, in proportion; empty for equally often.

    Example:
        >>> law = Mixture((Uniform(-1.0, -0.3), Uniform(0.3, 1.0)))
        >>> 0.3 <= abs(law.value(2, (0,))) <= 1.0
        True
    """

    laws: tuple[ValueLaw, ...]
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.laws or not all(isinstance(law, ValueLaw) for law in self.laws):
            raise SettingsError("laws must hold at least one value law")
        if self.weights:
            require_weights(self.weights, len(self.laws))

    def value(self, number: int, seed: Sequence[int]) -> float:
        """Draw a law, then ask it."""
        law = self.laws[_choose(len(self.laws), self.weights, number, (*seed, 0))]
        return law.value(number, (*seed, 1))


@kind
@dataclass(frozen=True)
class Recurring(ValueLaw):
    """A few values, drawn once, come back again and again in random order.

    Args:
        law: draws the values.
        size: how many there are, at least 1.

    Example:
        >>> law = Recurring(Uniform(0.0, 1.0), size=3)
        >>> len({law.value(number, (0,)) for number in range(100)})
        3
    """

    law: ValueLaw
    size: int

    def __post_init__(self) -> None:
        if not isinstance(self.law, ValueLaw):
            raise SettingsError(f"law must be a value law, not {self.law!r}")
        require_whole("size", self.size, 1)

    def value(self, number: int, seed: Sequence[int]) -> float:
        """Draw which of the values comes, then compute it."""
        return self.law.value(_choose(self.size, (), number, (*seed, 0)), (*seed, 1))


@kind
@dataclass(frozen=True)
class After(ValueLaw):
    """One value until the first change, another law's values after it.

    Args:
        first: value of segment 0.
        law: the other law.

    Example:
        >>> law = After(-1.0, Values((5.0, 6.0)))
        >>> [law.value(number, ()) for number in range(3)]
        [-1.0, 6.0, 5.0]
    """

    first: float
    law: ValueLaw

    def __post_init__(self) -> None:
        require_finite("first", self.first)
        if not isinstance(self.law, ValueLaw):
            raise SettingsError(f"law must be a value law, not {self.law!r}")

    def value(self, number: int, seed: Sequence[int]) -> float:
        """Ask the other law from segment 1 on."""
        return self.law.value(number, seed) if number else float(self.first)


@kind
@dataclass(frozen=True)
class Clipped(ValueLaw):
    """Another law's values, kept inside an interval.

    Args:
        law: the other law.
        low: lower end.
        high: upper end, above `low`.

    Example:
        >>> Clipped(Values((5.0,)), -1.0, 1.0).value(0, ())
        1.0
    """

    law: ValueLaw
    low: float
    high: float

    def __post_init__(self) -> None:
        if not isinstance(self.law, ValueLaw):
            raise SettingsError(f"law must be a value law, not {self.law!r}")
        require_interval(self.low, self.high)

    def value(self, number: int, seed: Sequence[int]) -> float:
        """Clip the other law's value."""
        return float(min(max(self.law.value(number, seed), self.low), self.high))


def _generator(number: int, seed: Sequence[int]) -> np.random.Generator:
    return np.random.default_rng([*seed, number])


def _choose(count: int, weights: tuple[float, ...], number: int, seed: Sequence[int]) -> int:
    if not weights:
        return int(_generator(number, seed).integers(count))
    shares = np.asarray(weights, dtype=np.float64)
    return int(_generator(number, seed).choice(count, p=shares / shares.sum()))


def _require_values(values: tuple[float, ...]) -> None:
    if not isinstance(values, tuple) or not values:
        raise SettingsError("values must hold at least one value")
    for value in values:
        require_finite("each of values", value)
