"""Knobs: the single quantities of a world that a change may move."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from enum import IntEnum
from typing import Any, ClassVar

import gymnasium

from .errors import SettingsError, unknown
from .interface import interface_knob_names


class Landing(IntEnum):
    """Where in an episode a change may land, from the weakest to the strongest."""

    REBUILD = 0
    """Only where the world is built anew, which ends the episode."""
    NEXT_RESET = 1
    """At the next reset."""
    IN_PLACE = 2
    """At any step inside an episode."""


class Knob(ABC):
    """One quantity inside a world that can be moved, read back and put back.

    A knob holds no state. What it needs to undo itself it returns from `snapshot`, taken once from
    the untouched world: a value is always computed from that default, never from the value before,
    so that changes cannot pile up.
    """

    name: ClassVar[str]
    """The name under which changes and contexts know the knob."""
    landing: ClassVar[Landing]
    """The strongest landing that the knob supports."""

    @abstractmethod
    def supports(self, env: gymnasium.Env) -> bool:
        """Say whether an unwrapped world has this quantity."""

    @abstractmethod
    def snapshot(self, env: gymnasium.Env) -> Any:
        """Copy whatever `write` changes, from the untouched world."""

    @abstractmethod
    def write(self, env: gymnasium.Env, value: float, default: Any) -> None:
        """Set the quantity.

        Args:
            env: the unwrapped world.
            value: the new value, in the knob's unit.
            default: what `snapshot` returned.
        """

    @abstractmethod
    def read(self, env: gymnasium.Env, default: Any) -> float:
        """Read the quantity back from the simulator."""

    @abstractmethod
    def restore(self, env: gymnasium.Env, default: Any) -> None:
        """Put back, bit for bit, what `snapshot` copied."""

    def writes(self) -> Collection[str]:
        """Name what `write` sets, so that no other knob of the same world sets it too."""
        return ()


_KNOBS: dict[str, Knob] = {}


def register_knob(knob: Knob) -> None:
    """Make a knob known by its name.

    Args:
        knob: the knob.

    Raises:
        SettingsError: if the name is taken by another knob.
    """
    if knob.name in _KNOBS and type(_KNOBS[knob.name]) is not type(knob):
        raise SettingsError(f"the knob {knob.name!r} is registered already")
    _KNOBS[knob.name] = knob


def find_knob(name: str) -> Knob:
    """Return the knob of a name.

    Raises:
        SettingsError: if there is none; the sentence names the nearest one.
    """
    if name not in _KNOBS:
        raise unknown("knob", name, [*_KNOBS, *interface_knob_names()])
    return _KNOBS[name]


def knob_names() -> list[str]:
    """List every knob there is inside worlds."""
    return sorted(_KNOBS)


def refuse_shared(knobs: Iterable[Knob]) -> None:
    """Refuse knobs of which one would undo another, because both set the same thing."""
    owners: dict[str, str] = {}
    for knob in knobs:
        for place in knob.writes():
            owner = owners.setdefault(place, knob.name)
            if owner != knob.name:
                raise SettingsError(f"the knobs {owner!r} and {knob.name!r} both set {place}")


class KnobBoard:
    """The knobs of one world, with the defaults that they were found at.

    Args:
        env: the world; it is unwrapped here and must be untouched.
        names: the knobs to use.

    Raises:
        SettingsError: for an unknown knob, one that this world does not have, or two that set the
            same thing.
    """

    def __init__(self, env: gymnasium.Env, names: Iterable[str]) -> None:
        self._env = env.unwrapped
        self._knobs = {name: find_knob(name) for name in names}
        for name, knob in self._knobs.items():
            if not knob.supports(self._env):
                world = self._env.spec.id if self._env.spec else type(self._env).__name__
                raise SettingsError(f"the world {world!r} has no knob {name!r}")
        refuse_shared(self._knobs.values())
        self._defaults = {name: knob.snapshot(self._env) for name, knob in self._knobs.items()}

    def write(self, context: Mapping[str, float]) -> None:
        """Set the knobs that a context names; those that it leaves out stay."""
        for name, value in context.items():
            self._knobs[name].write(self._env, value, self._defaults[name])

    def read(self) -> dict[str, float]:
        """Read every knob back from the simulator."""
        return {
            name: knob.read(self._env, self._defaults[name]) for name, knob in self._knobs.items()
        }

    def restore(self) -> None:
        """Put every knob back to where it was found, bit for bit."""
        for name, knob in self._knobs.items():
            knob.restore(self._env, self._defaults[name])
