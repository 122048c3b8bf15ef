"""When a world changes: pure functions from a clock to the segment that it lies in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .errors import SettingsError


class Segment(NamedTuple):
    """A stretch of the clock without a change.

    Attributes:
        number: how many changes came before it.
        start: the clock at which it begins.
        stop: the clock at which the next one begins, or None when it never ends.
    """

    number: int
    start: int
    stop: int | None


class Schedule(ABC):
    """When changes land. It holds no state: the same clock and seed give the same segment."""

    @abstractmethod
    def segment(self, clock: int, seed: Sequence[int]) -> Segment:
        """Find the segment that a clock lies in, without visiting those before it.

        Args:
            clock: time on the stream's clock, at least 0.
            seed: entropy for schedules that draw their moments.

        Returns:
            The segment with `start <= clock < stop`.
        """


@dataclass(frozen=True)
class Periodic(Schedule):
    """A change every `period` steps.

    Args:
        period: steps between changes, at least 1.

    Example:
        >>> Periodic(500).segment(1200, ())
        Segment(number=2, start=1000, stop=1500)
    """

    period: int

    def __post_init__(self) -> None:
        _require_positive_integer("period", self.period)

    def segment(self, clock: int, seed: Sequence[int]) -> Segment:
        """Divide the clock by the period."""
        index = clock // self.period
        return Segment(index, index * self.period, (index + 1) * self.period)


@dataclass(frozen=True)
class At(Schedule):
    """Changes at stated moments; with none, a world that never changes.

    Args:
        steps: the moments, rising, each at least 1.

    Example:
        >>> At((100, 300)).segment(299, ())
        Segment(number=1, start=100, stop=300)
        >>> At(()).segment(10**9, ())
        Segment(number=0, start=0, stop=None)
    """

    steps: tuple[int, ...]

    def __post_init__(self) -> None:
        previous = 0
        for step in self.steps:
            _require_positive_integer("each of steps", step)
            if step <= previous:
                raise SettingsError(f"steps must rise, but {step} follows {previous}")
            previous = step

    def segment(self, clock: int, seed: Sequence[int]) -> Segment:
        """Look the clock up among the stated moments."""
        index = bisect_right(self.steps, clock)
        start = self.steps[index - 1] if index else 0
        stop = self.steps[index] if index < len(self.steps) else None
        return Segment(index, start, stop)


SCHEDULES: tuple[type[Schedule], ...] = (Periodic, At)
"""Every schedule that a stream's JSON may name."""


def _require_positive_integer(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SettingsError(f"{name} must be a whole number of at least 1, not {value!r}")
