"""When a world changes: pure functions from a clock to the segment that it lies in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .checks import require_whole
from .errors import SettingsError
from .lengths import LengthLaw
from .serialization import kind


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
        """Find the segment that a clock lies in, without visiting the steps before it.

        Args:
            clock: time on the change's clock, at least 0.
            seed: entropy for schedules that draw their moments.

        Returns:
            The segment with `start <= clock < stop`.
        """

    @property
    @abstractmethod
    def mean_length(self) -> float | None:
        """Mean length of a segment, or None where there is no such thing."""


@kind
@dataclass(frozen=True)
class Periodic(Schedule):
    """A change every `period` steps; with 1, at every step, which suits a drifting value.

    Args:
        period: steps between changes, at least 1.

    Example:
        >>> Periodic(500).segment(1200, ())
        Segment(number=2, start=1000, stop=1500)
    """

    period: int

    def __post_init__(self) -> None:
        require_whole("period", self.period, 1)

    def segment(self, clock: int, seed: Sequence[int]) -> Segment:
        """Divide the clock by the period."""
        number = clock // self.period
        return Segment(number, number * self.period, (number + 1) * self.period)

    @property
    def mean_length(self) -> float:
        """The period."""
        return float(self.period)


@kind
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

    steps: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        previous = 0
        for step in self.steps:
            require_whole("each of steps", step, 1)
            if step <= previous:
                raise SettingsError(f"steps must rise, but {step} follows {previous}")
            previous = step

    def segment(self, clock: int, seed: Sequence[int]) -> Segment:
        """Look the clock up among the stated moments."""
        number = bisect_right(self.steps, clock)
        start = self.steps[number - 1] if number else 0
        stop = self.steps[number] if number < len(self.steps) else None
        return Segment(number, start, stop)

    @property
    def mean_length(self) -> None:
        """There is none."""
        return


@kind
@dataclass(frozen=True)
class Piecewise(Schedule):
    """Segments of random lengths, one after the other.

    Args:
        length: the law of the lengths.

    Example:
        >>> from everlearn.wrappers.lengths import ClippedNormalLength
        >>> schedule = Piecewise(ClippedNormalLength(60, 0, 10))
        >>> schedule.segment(130, (0,))
        Segment(number=2, start=120, stop=180)
    """

    length: LengthLaw

    def __post_init__(self) -> None:
        if not isinstance(self.length, LengthLaw):
            raise SettingsError(f"length must be a law of lengths, not {self.length!r}")

    def segment(self, clock: int, seed: Sequence[int]) -> Segment:
        """Add lengths up, a block at a time, until the clock is reached."""
        place = _place(self.length, tuple(seed))
        if clock < place.start:
            place.go_to(0, 0)
        while clock >= place.stops[-1]:
            place.go_to(place.block + 1, int(place.stops[-1]))
        within = int(np.searchsorted(place.stops, clock, side="right"))
        start = int(place.stops[within - 1]) if within else place.start
        return Segment(place.block * _BLOCK + within, start, int(place.stops[within]))

    @property
    def mean_length(self) -> float:
        """The law's mean."""
        return self.length.mean_length


@kind
@dataclass(frozen=True)
class OnceBetween(Schedule):
    """A single change, at a moment drawn uniformly from an interval.

    Args:
        low: earliest moment, at least 1.
        high: latest moment, at least `low`.

    Example:
        >>> 200 <= OnceBetween(200, 800).segment(0, (0,)).stop <= 800
        True
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        require_whole("low", self.low, 1)
        require_whole("high", self.high, self.low)

    def segment(self, clock: int, seed: Sequence[int]) -> Segment:
        """Draw the moment, and compare."""
        moment = int(np.random.default_rng([*seed]).integers(self.low, self.high + 1))
        return Segment(0, 0, moment) if clock < moment else Segment(1, moment, None)

    @property
    def mean_length(self) -> None:
        """There is none."""
        return


_BLOCK = 256
"""Lengths are drawn this many at a time, each block from a generator of its own."""


class _Place:
    """Where a look-up stopped, so that the next one need not begin at zero.

    It is a memo: dropping it changes how long a look-up takes, and nothing else.
    """

    def __init__(self, law: LengthLaw, seed: tuple[int, ...]) -> None:
        self._law = law
        self._seed = seed
        self.go_to(0, 0)

    def go_to(self, block: int, start: int) -> None:
        """Draw one block, which begins at a clock."""
        self.block, self.start = block, start
        generator = np.random.default_rng([*self._seed, block])
        self.stops = start + np.cumsum(self._law.draw(generator, _BLOCK))


@lru_cache(maxsize=1024)
def _place(law: LengthLaw, seed: tuple[int, ...]) -> _Place:
    return _Place(law, seed)
