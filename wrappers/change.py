"""A change: which knob moves, by which law, when; and the context that all changes make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .errors import SettingsError, unknown
from .schedules import SCHEDULES, Schedule
from .serialization import from_data, to_data
from .values import VALUE_LAWS, ValueLaw


@dataclass(frozen=True)
class Change:
    """One knob that moves, by which law, when.

    Args:
        knob: the knob's name, such as "friction".
        law: the value in each segment.
        schedule: the segments.

    Example:
        >>> from everlearn.wrappers.schedules import Periodic
        >>> from everlearn.wrappers.values import LogUniform
        >>> change = Change("friction", LogUniform(0.02, 2.0), Periodic(2_000_000))
        >>> Change.from_data(change.to_data()) == change
        True
    """

    knob: str
    law: ValueLaw
    schedule: Schedule

    def to_data(self) -> dict[str, Any]:
        """Return the change as JSON's types."""
        return {
            "knob": self.knob,
            "law": to_data(self.law),
            "schedule": to_data(self.schedule),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Change:
        """Read a change back from what `to_data` returned.

        Raises:
            SettingsError: for anything missing, unknown or out of range.
        """
        allowed = ("knob", "law", "schedule")
        for key in data:
            if key not in allowed:
                raise unknown("setting of a change", str(key), allowed)
        missing = [key for key in allowed if key not in data]
        if missing:
            raise SettingsError(f"a change needs {missing[0]!r}")
        return cls(
            knob=str(data["knob"]),
            law=from_data(data["law"], VALUE_LAWS, "value law"),
            schedule=from_data(data["schedule"], SCHEDULES, "schedule"),
        )


class Moment(NamedTuple):
    """The state of the world at one clock.

    Attributes:
        context: each knob's value.
        segment: how many changes have landed since the stream began.
        start: the clock of the latest change, 0 before the first.
        stop: the clock of the next change, or None when there is none.
    """

    context: dict[str, float]
    segment: int
    start: int
    stop: int | None


class Timeline:
    """All changes of a stream under one seed: a pure function from clock to context.

    Args:
        changes: the changes; no two may move the same knob.
        seed: the stream's seed, at least 0. It alone decides what is drawn.

    Raises:
        SettingsError: if two changes move the same knob, or the seed is negative.

    Example:
        >>> from everlearn.wrappers.schedules import Periodic
        >>> from everlearn.wrappers.values import Values
        >>> timeline = Timeline([Change("friction", Values((1.0, 0.1)), Periodic(500))], seed=0)
        >>> timeline.at(700)
        Moment(context={'friction': 0.1}, segment=1, start=500, stop=1000)
    """

    def __init__(self, changes: Sequence[Change], seed: int) -> None:
        knobs = [change.knob for change in changes]
        for knob in knobs:
            if knobs.count(knob) > 1:
                raise SettingsError(f"two changes move the same knob {knob!r}")
        if seed < 0:
            raise SettingsError(f"a stream's seed must be at least 0, not {seed}")
        self.changes = tuple(changes)
        self.seed = seed

    def at(self, clock: int) -> Moment:
        """Compute the context at one clock.

        Args:
            clock: time on the stream's clock, at least 0.

        Returns:
            The context, and when it begins and ends.
        """
        context: dict[str, float] = {}
        segment, start = 0, 0
        stops = []
        for position, change in enumerate(self.changes):
            key = (self.seed, position)
            piece = change.schedule.segment(clock, key)
            context[change.knob] = change.law.value(piece.number, key)
            segment += piece.number
            start = max(start, piece.start)
            if piece.stop is not None:
                stops.append(piece.stop)
        return Moment(context, segment, start, min(stops, default=None))
