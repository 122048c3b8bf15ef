"""How a value gets from one segment's to the next's."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from .checks import require_whole
from .serialization import kind


class Transition(ABC):
    """The shape of the way from an old value to a new one."""

    @property
    @abstractmethod
    def duration(self) -> int:
        """How long it takes, in units of the clock; 0 for at once."""

    @abstractmethod
    def share(self, since: int) -> float:
        """Say how much of the way is done.

        Args:
            since: units of the clock since the segment began, at least 0.

        Returns:
            0 for the old value, 1 for the new one.
        """


@kind
@dataclass(frozen=True)
class Step(Transition):
    """At once.

    Example:
        >>> Step().share(0)
        1.0
    """

    @property
    def duration(self) -> int:
        """No time."""
        return 0

    def share(self, since: int) -> float:
        """All of the way."""
        return 1.0


@kind
@dataclass(frozen=True)
class LinearRamp(Transition):
    """In equal steps.

    Args:
        steps: how long it takes, at least 1.

    Example:
        >>> [LinearRamp(4).share(since) for since in (0, 1, 4, 9)]
        [0.0, 0.25, 1.0, 1.0]
    """

    steps: int

    def __post_init__(self) -> None:
        require_whole("steps", self.steps, 1)

    @property
    def duration(self) -> int:
        """The steps."""
        return self.steps

    def share(self, since: int) -> float:
        """Grow evenly."""
        return min(since / self.steps, 1.0)


@kind
@dataclass(frozen=True)
class SigmoidRamp(Transition):
    """Slowly, then fast, then slowly: a logistic curve from -6 to 6, scaled to reach both ends.

    Args:
        steps: how long it takes, at least 1.

    Example:
        >>> [round(SigmoidRamp(4).share(since), 3) for since in (0, 1, 2, 3, 4)]
        [0.0, 0.045, 0.5, 0.955, 1.0]
    """

    steps: int

    def __post_init__(self) -> None:
        require_whole("steps", self.steps, 1)

    @property
    def duration(self) -> int:
        """The steps."""
        return self.steps

    def share(self, since: int) -> float:
        """Grow along the curve."""
        if since >= self.steps:
            return 1.0
        low, here = (1 / (1 + math.exp(-x)) for x in (-6.0, 12.0 * since / self.steps - 6.0))
        return (here - low) / (1 - 2 * low)
