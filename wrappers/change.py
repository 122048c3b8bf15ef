"""A change: which knob moves, by which law, when, on which clock, and where it may land."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple, get_args

from .checks import require_at_least
from .drifts import unit_normal
from .errors import SettingsError, unknown
from .schedules import Schedule
from .serialization import from_data, kind, to_data
from .transitions import Step, Transition
from .values import ValueLaw

Clock = Literal["global", "copy", "episode", "episodes"]
"""What counts: the environment steps of all copies over the agent's life; those of one copy over
its life; those in the episode, with fresh draws in each; or the episodes that a copy has begun."""

Scope = Literal["shared", "independent", "staggered"]
"""How the copies of a vectorised world differ: not at all; each with draws of its own; or with the
same draws, one copy after the other, a segment's mean length apart in all."""

ChangeLanding = Literal["strongest", "in-place", "next-reset", "boundary"]
"""Where a change takes hold: inside the episode if the back end can, else where it ends it; inside
the episode; when a copy next begins an episode; or at once, truncating the episode."""


class State(NamedTuple):
    """What one change has come to at one clock.

    Attributes:
        value: the knob's value.
        number: how many changes came before the present segment.
        start: the clock at which the segment began.
        stop: the clock until which the value holds, or None for ever.
    """

    value: float
    number: int
    start: int
    stop: int | None


_AT_ONCE = Step()


class Seeds(NamedTuple):
    """The entropy of one change in one copy of the world.

    Attributes:
        moments: of its schedule.
        values: of its law, and of its noise.
    """

    moments: tuple[int, ...]
    values: tuple[int, ...]


class Place(NamedTuple):
    """Where a change stands among the changes of its stream.

    Attributes:
        position: its index.
        group: the index of the first change that lands together with it.
    """

    position: int
    group: int


@kind
@dataclass(frozen=True)
class Change:
    """One knob that moves.

    Changes of one stream whose schedules, clocks, scopes and landings are equal land together: a
    goal's two coordinates move at the same moments, each to a value of its own.

    Args:
        knob: the knob's name, such as "friction".
        law: the value in each segment.
        schedule: the segments.
        transition: the way from one segment's value to the next's.
        noise: standard deviation of normal noise that is added at every step, at least 0.
        clock: what the schedule counts.
        scope: how copies of a vectorised world differ.
        landing: where a change takes hold.

    Raises:
        SettingsError: for anything out of range.

    Example:
        >>> from everlearn.wrappers.schedules import Periodic
        >>> from everlearn.wrappers.values import LogUniform
        >>> change = Change("friction", LogUniform(0.02, 2.0), Periodic(2_000_000))
        >>> Change.from_data(change.to_data()) == change
        True
        >>> seeds = change.seeds(seed=0, place=Place(0, 0), copy=0, episode=0)
        >>> change.state(2_000_001, seeds).number
        1
    """

    knob: str
    law: ValueLaw
    schedule: Schedule
    transition: Transition = _AT_ONCE
    noise: float = 0.0
    clock: Clock = "global"
    scope: Scope = "shared"
    landing: ChangeLanding = "strongest"

    def __post_init__(self) -> None:
        for name, value, parent in (
            ("law", self.law, ValueLaw),
            ("schedule", self.schedule, Schedule),
            ("transition", self.transition, Transition),
        ):
            if not isinstance(value, parent):
                raise SettingsError(f"{name} of the change of {self.knob!r} must not be {value!r}")
        for name, allowed in (("clock", Clock), ("scope", Scope), ("landing", ChangeLanding)):
            if getattr(self, name) not in get_args(allowed):
                raise unknown(f"{name} of a change", str(getattr(self, name)), get_args(allowed))
        require_at_least("noise", self.noise, 0.0)
        if self.scope == "staggered" and self.schedule.mean_length is None:
            raise SettingsError("staggered copies need a schedule whose segments have a length")

    def state(self, clock: int, seed: Seeds) -> State:
        """Compute the change's state at one clock.

        Args:
            clock: time on the change's own clock, at least 0.
            seed: entropy, as `seeds` gives it.

        Returns:
            The value, and the segment that it belongs to.
        """
        number, start, stop = self.schedule.segment(clock, seed.moments)
        value = self._value(number, clock - start, seed)
        moving = number > 0 and clock - start < self.transition.duration
        if self.noise:
            value += self.noise * unit_normal((*seed.values, 2), clock)
        return State(value, number, start, clock + 1 if moving or self.noise else stop)

    def landmark(self, clock: int, seed: Seeds) -> State:
        """Compute the change's state at one clock, as a table of a stream tells it.

        Like `state`, but without noise; and between the begin of a transition and its end there is
        nothing: `stop` is the end.
        """
        number, start, stop = self.schedule.segment(clock, seed.moments)
        arrival = start + self.transition.duration
        if number > 0 and clock < arrival:
            stop = arrival if stop is None else min(stop, arrival)
        return State(self._value(number, clock - start, seed), number, start, stop)

    def landmark_value(self, number: int, seed: Seeds) -> float:
        """Compute the value that a segment settles at: without noise, after its transition.

        Args:
            number: the segment's, at least 0.
            seed: entropy, as `seeds` gives it.
        """
        return self.law.value(number, (*seed.values, 1))

    def _value(self, number: int, since: int, seed: Seeds) -> float:
        value = self.landmark_value(number, seed)
        if number == 0 or since >= self.transition.duration:
            return value
        before = self.landmark_value(number - 1, seed)
        return before + self.transition.share(since) * (value - before)

    def seeds(self, seed: int, place: Place, copy: int, episode: int) -> Seeds:
        """Return the entropy of one change in one copy of the world.

        Args:
            seed: the stream's seed.
            place: the change's place among the stream's changes, as `places` gives it.
            copy: which copy.
            episode: how many episodes the copy began before this one.
        """
        own_copy = copy + 1 if self.scope == "independent" else 0
        own_episode = episode + 1 if self.clock == "episode" else 0
        return Seeds(
            moments=(seed, place.group, own_copy, own_episode, 0),
            values=(seed, place.position, own_copy, own_episode),
        )

    def lands_with(self, other: Change) -> bool:
        """Say whether another change lands at the same moments, because its timing is equal."""
        return all(
            getattr(self, name) == getattr(other, name)
            for name in ("schedule", "clock", "scope", "landing")
        )

    def offset(self, copy: int, n_copies: int) -> int:
        """Return how far ahead of the clock one of several copies is."""
        if self.scope != "staggered" or self.schedule.mean_length is None:
            return 0
        return round(copy * self.schedule.mean_length / n_copies)

    def to_data(self) -> dict[str, Any]:
        """Return the change as JSON's types, without what is left at its default."""
        data = to_data(self)
        del data["kind"]
        defaults = {field.name: field.default for field in fields(self)}
        return {name: data[name] for name in data if getattr(self, name) != defaults[name]}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Change:
        """Read a change back from what `to_data` returned.

        Raises:
            SettingsError: for anything missing, unknown or out of range.
        """
        if not isinstance(data, Mapping):
            raise SettingsError(f"a change must be a mapping, not {data!r}")
        for name in ("knob", "law", "schedule"):
            if name not in data:
                near = [key for key in data if key not in cls.__dataclass_fields__]
                if near:
                    raise unknown("setting of a change", str(near[0]), cls.__dataclass_fields__)
                raise SettingsError(f"a change needs {name!r}")
        if not isinstance(data["knob"], str):
            raise SettingsError(f"a change's knob must be a name, not {data['knob']!r}")
        return from_data({**data, "kind": cls.__name__}, cls, "change")


def as_change(change: Change | Mapping[str, Any]) -> Change:
    """Return a change as it is, or read it from plain data."""
    return change if isinstance(change, Change) else Change.from_data(change)


def places(changes: Sequence[Change]) -> list[Place]:
    """Tell of each change of a stream where it stands, and with which it lands.

    Args:
        changes: the stream's changes.

    Example:
        >>> from everlearn.wrappers.schedules import Periodic
        >>> from everlearn.wrappers.values import Values
        >>> changes = [Change(knob, Values((0.0, 1.0)), Periodic(5)) for knob in ("x", "y")]
        >>> places(changes)
        [Place(position=0, group=0), Place(position=1, group=0)]
    """
    return [
        Place(position, next(i for i, other in enumerate(changes) if change.lands_with(other)))
        for position, change in enumerate(changes)
    ]


def require_own_knobs(changes: Sequence[Change]) -> None:
    """Refuse two changes of one knob.

    Raises:
        SettingsError: naming the knob.
    """
    knobs = [change.knob for change in changes]
    for knob in knobs:
        if knobs.count(knob) > 1:
            raise SettingsError(f"two changes move the same knob {knob!r}")
