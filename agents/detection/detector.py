"""What a detector is: settings, and a step from one state to the next."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import fields
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ...wrappers.errors import SettingsError

State = TypeVar("State", bound=NamedTuple)


class Detector(ABC):
    """Finds where a stream of numbers, such as losses, has risen: abstract base.

    A detector is a frozen dataclass of settings and holds no state: `step` takes one and returns
    the next. All detectors here are one-sided: a loss that falls is silent. After an alarm they
    begin anew, and are silent until they know what is usual now.
    """

    window: int

    @abstractmethod
    def begin(self) -> Any:
        """Return the state before the first value."""

    @abstractmethod
    def advance(self, state: Any, value: float) -> tuple[Any, bool]:
        """Return the state after a finite value, and whether the stream has changed."""

    def suspects(self, state: Any) -> bool:
        """Say whether the newest value is suspicious: what is learned from it may spoil a model.

        Args:
            state: after it.
        """
        return False

    def step(self, state: Any, value: float) -> tuple[Any, bool]:
        """Take in one value.

        Args:
            state: from `begin`, or from the step before.
            value: the next of the stream.

        Returns:
            The next state, which is that of `begin` after an alarm, and whether this is one.

        Raises:
            SettingsError: the value is not finite.
        """
        if not math.isfinite(value):
            raise SettingsError(f"a detector needs finite values, not {value}")
        state, alarm = self.advance(state, float(value))
        return (self.begin(), True) if alarm else (state, False)

    def require(self, **fits: tuple[bool, str]) -> None:
        """Raise unless settings fit.

        Args:
            **fits: by the setting's name whether it fits, and what is allowed.

        Raises:
            SettingsError: one does not fit.
        """
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            good, allowed = fits.get(field.name, (True, ""))
            if isinstance(value, float) and not math.isfinite(value):
                good, allowed = False, "finite"
            if not good:
                name = type(self).__name__
                raise SettingsError(f"{name} setting {field.name!r} must be {allowed}, not {value}")


def find_changes(detector: Detector, values: Iterable[float]) -> list[int]:
    """Return at which values of a stream a detector raises an alarm, counted from 0.

    Args:
        detector: what is to look.
        values: the stream.

    Raises:
        SettingsError: a value is not finite.

    Example:
        >>> from everlearn.agents.detection import CUSUM
        >>> noise = np.random.default_rng(0).normal(size=400)
        >>> find_changes(CUSUM(), noise + 3 * (np.arange(400) >= 200))
        [204]
    """
    state, found = detector.begin(), []
    for place, value in enumerate(values):
        state, alarm = detector.step(state, value)
        if alarm:
            found.append(place)
    return found


def pack_state(state: NamedTuple) -> np.ndarray:
    """Return a state as one flat array of float64, to be saved.

    Args:
        state: of any detector.
    """
    return np.concatenate([np.ravel(np.asarray(value, dtype=np.float64)) for value in state])


def unpack_state(like: State, flat: np.ndarray) -> State:
    """Return the state that was packed.

    Args:
        like: a state of the same detector, such as that of `begin`.
        flat: from `pack_state`.
    """
    values, place = [], 0
    for value in like:
        size = np.size(value)
        part = flat[place : place + size]
        values.append(part.copy() if isinstance(value, np.ndarray) else type(value)(part[0]))
        place += size
    return type(like)(*values)  # type: ignore[arg-type]


class Reference(NamedTuple):
    """What was usual: the newest values but for the last few, which a change may have moved.

    Attributes:
        values: the oldest first, of shape (window + lag,).
        seen: values seen, at most window + lag.
    """

    values: np.ndarray
    seen: int

    @classmethod
    def begin(cls, window: int, lag: int) -> Reference:
        """Return one that has seen nothing."""
        return cls(np.zeros(window + lag), 0)

    def add(self, value: float) -> Reference:
        """Return one that has seen a value more."""
        values = np.append(self.values[1:], value)
        return Reference(values, min(self.seen + 1, len(values)))

    def usual(self, window: int, least: float = 0.0) -> tuple[float, float] | None:
        """Return mean and standard deviation of the oldest values, or None before there are enough.

        Args:
            window: how many of them.
            least: what the deviation is at least.
        """
        if self.seen < len(self.values):
            return None
        oldest = self.values[:window]
        mean = float(oldest.mean())
        # So that rounding errors of a constant are no deviation.
        return mean, max(float(oldest.std(ddof=1)), 1e-6 * abs(mean), least)
