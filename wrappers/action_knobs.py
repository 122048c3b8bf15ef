"""Knobs that alter actions on their way to the world."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces

from .errors import SettingsError
from .interface import InterfaceKnob, column, interface_knob


class _Clipped(InterfaceKnob):
    """Alters continuous actions and keeps them in their space."""

    def __init__(
        self, observation_space: spaces.Space, action_space: spaces.Space, n_copies: int
    ) -> None:
        super().__init__(observation_space, action_space, n_copies)
        self._box = self.require_box_actions()

    def clip(self, actions: np.ndarray) -> np.ndarray:
        """Keep actions in their space."""
        return np.clip(actions, self._box.low, self._box.high)


@interface_knob
class ActionGain(_Clipped):
    """Multiplies actions, within their bounds. Unit: a factor; -1 turns them around."""

    name: ClassVar[str] = "action-gain"

    def act(self, actions: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Multiply and clip."""
        return self.clip(actions * column(values, actions).astype(actions.dtype))


@interface_knob
class ActionOffset(_Clipped):
    """Adds a constant to every entry of actions, within their bounds. Unit: the actions' own."""

    name: ClassVar[str] = "action-offset"

    def act(self, actions: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Add and clip."""
        return self.clip(actions + column(values, actions).astype(actions.dtype))


@interface_knob
class ActionPermutation(InterfaceKnob):
    """Shuffles the entries of continuous actions, or the meanings of discrete ones.

    Value: which shuffle, a whole number; 0 leaves them in order, any other is drawn from it.

    Raises:
        SettingsError: for continuous actions whose entries have different bounds.
    """

    name: ClassVar[str] = "action-permutation"

    def __init__(
        self, observation_space: spaces.Space, action_space: spaces.Space, n_copies: int
    ) -> None:
        super().__init__(observation_space, action_space, n_copies)
        if isinstance(action_space, spaces.Discrete):
            self._size = int(action_space.n)
            return
        box = self.require_box_actions()
        self._size = int(np.prod(box.shape))
        if np.ptp(box.low) or np.ptp(box.high):
            raise SettingsError(f"{self.name} needs actions whose entries have the same bounds")

    def check(self, value: float) -> None:
        """Values name shuffles, by number."""
        if value != int(value) or value < 0:
            raise SettingsError(f"{self.name} must be a whole number of at least 0, not {value!r}")

    def act(self, actions: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Put the entries in their order."""
        orders = np.stack([self._order(int(value)) for value in values])
        if isinstance(self.action_space, spaces.Discrete):
            first = int(self.action_space.start)
            return orders[np.arange(len(values)), actions - first] + first
        flat = actions.reshape(len(values), -1)
        return np.take_along_axis(flat, orders, axis=1).reshape(actions.shape)

    def _order(self, number: int) -> np.ndarray:
        order = np.arange(self._size)
        return order if number == 0 else np.random.default_rng(number).permutation(order)


@interface_knob
class ActionDelay(InterfaceKnob):
    """Carries out the action of some steps ago. Unit: steps.

    At an episode's begin, when there is none yet, the world gets zeros, or the first discrete
    action.
    """

    name: ClassVar[str] = "action-delay"
    limit: ClassVar[int] = 64

    def __init__(
        self, observation_space: spaces.Space, action_space: spaces.Space, n_copies: int
    ) -> None:
        super().__init__(observation_space, action_space, n_copies)
        self._rest = _rest(self.name, action_space)
        self._past = np.stack([np.stack([self._rest] * n_copies)] * (self.limit + 1))
        self._now = 0

    def check(self, value: float) -> None:
        """It must be a whole number of steps."""
        if value != int(value) or not 0 <= value <= self.limit:
            raise SettingsError(f"{self.name} must be from 0 to {self.limit}, not {value!r}")

    def act(self, actions: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Remember this action, carry an earlier one out."""
        self._now = (self._now + 1) % len(self._past)
        self._past[self._now] = actions
        places = (self._now - values.astype(int)) % len(self._past)
        return self._past[places, np.arange(len(values))]

    def begin(self, observations: np.ndarray, which: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Forget the actions of the episode before."""
        self._past[:, which] = self._rest
        return observations

    def get_state(self) -> dict[str, Any]:
        """Return the memory."""
        return {"past": self._past.copy(), "now": self._now}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a memory."""
        self._past, self._now = np.array(state["past"]), state["now"]


@interface_knob
class ActionRepeat(InterfaceKnob):
    """Repeats an action: only every so-many-th of an episode counts, the others are ignored.

    The world still steps once for each of the agent's steps, so that clocks and rewards stay
    honest. Unit: steps, 1 for the world's own.
    """

    name: ClassVar[str] = "action-repeat"

    def __init__(
        self, observation_space: spaces.Space, action_space: spaces.Space, n_copies: int
    ) -> None:
        super().__init__(observation_space, action_space, n_copies)
        rest = _rest(self.name, action_space)
        self._held = np.stack([rest] * n_copies)
        self._left = np.zeros(n_copies, dtype=np.int64)

    def check(self, value: float) -> None:
        """It must be a whole number of steps."""
        if value != int(value) or value < 1:
            raise SettingsError(f"{self.name} must be a whole number of at least 1, not {value!r}")

    def act(self, actions: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Take a new action where the old one's time is over."""
        over = self._left <= 0
        self._held[over] = actions[over]
        self._left[over] = values[over].astype(np.int64)
        self._left -= 1
        return self._held.copy()

    def begin(self, observations: np.ndarray, which: np.ndarray, values: np.ndarray) -> np.ndarray:
        """An episode's first action counts."""
        self._left[which] = 0
        return observations

    def get_state(self) -> dict[str, Any]:
        """Return the actions that are being repeated."""
        return {"held": self._held.copy(), "left": self._left.copy()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on with actions that are being repeated."""
        self._held, self._left = np.array(state["held"]), np.array(state["left"])


def _rest(knob: str, space: spaces.Space) -> np.ndarray:
    if isinstance(space, spaces.Box):
        return np.zeros(space.shape, dtype=space.dtype)
    if isinstance(space, spaces.Discrete):
        return np.asarray(space.start)
    raise SettingsError(f"the knob {knob!r} needs continuous or discrete actions, not {space}")
