"""How long random segments last."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from .checks import require_above, require_at_least, require_whole
from .errors import SettingsError
from .serialization import kind


class LengthLaw(ABC):
    """The law by which segments draw their lengths, independently of one another."""

    @property
    @abstractmethod
    def mean_length(self) -> float:
        """The mean, in units of the clock, before any clipping."""

    @abstractmethod
    def draw(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """Draw lengths.

        Args:
            generator: the source of chance.
            count: how many.

        Returns:
            Whole numbers of at least 1, shape (count,), int64.
        """


@kind
@dataclass(frozen=True)
class GeometricLength(LengthLaw):
    """A change with the same probability at every step.

    Args:
        probability: of a change at a step, above 0 and at most 1.

    Example:
        >>> GeometricLength(1.0).draw(np.random.default_rng(0), 3)
        array([1, 1, 1])
    """

    probability: float

    def __post_init__(self) -> None:
        require_above("probability", self.probability, 0.0)
        if self.probability > 1:
            raise SettingsError(f"probability must be at most 1, not {self.probability!r}")

    @property
    def mean_length(self) -> float:
        """One over the probability."""
        return 1.0 / self.probability

    def draw(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """Draw from the geometric distribution."""
        return generator.geometric(self.probability, count)


@kind
@dataclass(frozen=True)
class ClippedNormalLength(LengthLaw):
    """A normal length, cut to a whole number and clipped from below.

    The law of SeCBAD's segments (Chen et al., NeurIPS 2022): max(int(N(60, 20)), 10).

    Args:
        mean: mean of the normal, in units of the clock, above 0.
        standard_deviation: of the normal, at least 0.
        minimum: least length, at least 1.

    Example:
        >>> lengths = ClippedNormalLength(60, 20, 10).draw(np.random.default_rng(0), 1000)
        >>> int(lengths.min())
        10
    """

    mean: float
    standard_deviation: float
    minimum: int = 1

    def __post_init__(self) -> None:
        require_above("mean", self.mean, 0.0)
        require_at_least("standard_deviation", self.standard_deviation, 0.0)
        require_whole("minimum", self.minimum, 1)

    @property
    def mean_length(self) -> float:
        """The normal's mean."""
        return float(self.mean)

    def draw(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """Draw from the normal, cut and clip."""
        lengths = generator.normal(self.mean, self.standard_deviation, count)
        return np.maximum(lengths.astype(np.int64), self.minimum)
