"""Knobs that alter observations on their way to the agent."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces

from .errors import SettingsError
from .interface import InterfaceKnob, column, interface_knob, unbounded, widened


class _RowWise(InterfaceKnob):
    """Alters each copy's observation by a table that belongs to the copy's value."""

    def __init__(
        self, observation_space: spaces.Space, action_space: spaces.Space, n_copies: int
    ) -> None:
        super().__init__(observation_space, action_space, n_copies)
        box = self.require_box_observations()
        self._size = int(np.prod(box.shape))
        self._tables: dict[float, np.ndarray] = {}

    def check(self, value: float) -> None:
        """Values name tables, by number."""
        if value != int(value) or value < 0:
            raise SettingsError(f"{self.name} must be a whole number of at least 0, not {value!r}")

    def rows(self, values: np.ndarray) -> np.ndarray:
        """Return the tables of the copies' values, shape (n_copies, size)."""
        for value in values.tolist():
            if value not in self._tables:
                if len(self._tables) >= 64:
                    self._tables.clear()
                self._tables[value] = self.table(int(value))
        return np.stack([self._tables[value] for value in values.tolist()])

    def table(self, number: int) -> np.ndarray:
        """Draw the table of one number, shape (size,)."""
        raise NotImplementedError


@interface_knob
class ObservationPermutation(_RowWise):
    """Shuffles the entries of observations.

    Value: which shuffle, a whole number; 0 leaves them in order, any other is drawn from it.
    """

    name: ClassVar[str] = "observation-permutation"

    def __init__(
        self, observation_space: spaces.Space, action_space: spaces.Space, n_copies: int
    ) -> None:
        super().__init__(observation_space, action_space, n_copies)
        box = self.require_box_observations()
        self.observation_space = widened(box, float(box.low.min()), float(box.high.max()))

    def table(self, number: int) -> np.ndarray:
        """Draw an order."""
        order = np.arange(self._size)
        return order if number == 0 else np.random.default_rng(number).permutation(order)

    def observe(self, observations: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Put the entries in their order."""
        flat = observations.reshape(self.n_copies, -1)
        return np.take_along_axis(flat, self.rows(values), axis=1).reshape(observations.shape)


@interface_knob
class ObservationSign(_RowWise):
    """Turns the sign of some entries of observations around.

    Value: which entries, a whole number; 0 for none, 1 for all, any other draws half of them.
    """

    name: ClassVar[str] = "observation-sign"

    def __init__(
        self, observation_space: spaces.Space, action_space: spaces.Space, n_copies: int
    ) -> None:
        super().__init__(observation_space, action_space, n_copies)
        box = self.require_box_observations()
        reach = np.maximum(np.abs(box.low), np.abs(box.high))
        self.observation_space = spaces.Box(-reach, reach, box.shape, box.dtype.type)

    def table(self, number: int) -> np.ndarray:
        """Draw signs."""
        if number < 2:
            return np.full(self._size, -1.0 if number else 1.0)
        return np.random.default_rng(number).choice([-1.0, 1.0], self._size)

    def observe(self, observations: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Multiply by the signs."""
        signs = self.rows(values).reshape(observations.shape).astype(observations.dtype)
        return observations * signs


@interface_knob
class ObservationMask(InterfaceKnob):
    """Hides one entry of observations: it reads 0. Value: its position, or -1 for none."""

    name: ClassVar[str] = "observation-mask"

    def __init__(
        self, observation_space: spaces.Space, action_space: spaces.Space, n_copies: int
    ) -> None:
        super().__init__(observation_space, action_space, n_copies)
        box = self.require_box_observations()
        self._size = int(np.prod(box.shape))
        low, high = np.minimum(box.low, 0.0), np.maximum(box.high, 0.0)
        self.observation_space = spaces.Box(low, high, box.shape, box.dtype.type)

    def check(self, value: float) -> None:
        """It must be a position in the observation, or -1."""
        if value != int(value) or not -1 <= value < self._size:
            raise SettingsError(f"{self.name} must be from -1 to {self._size - 1}, not {value!r}")

    def observe(self, observations: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Write zeros."""
        masked = observations.reshape(self.n_copies, -1).copy()
        hiding = np.flatnonzero(values >= 0)
        masked[hiding, values[hiding].astype(int)] = 0.0
        return masked.reshape(observations.shape)


@interface_knob
class ObservationOffset(_RowWise):
    """Adds a constant to each entry of observations.

    Value: which constants, a whole number; 0 for none, any other draws each from a normal law with
    standard deviation 2, as TRAC's lifelong control does (Muppidi et al., NeurIPS 2024).
    """

    name: ClassVar[str] = "observation-offset"

    def __init__(
        self, observation_space: spaces.Space, action_space: spaces.Space, n_copies: int
    ) -> None:
        super().__init__(observation_space, action_space, n_copies)
        self.observation_space = unbounded(self.require_box_observations())

    def table(self, number: int) -> np.ndarray:
        """Draw the constants."""
        if number == 0:
            return np.zeros(self._size)
        return np.random.default_rng(number).normal(0.0, 2.0, self._size)

    def observe(self, observations: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Add them."""
        offsets = self.rows(values).reshape(observations.shape).astype(observations.dtype)
        return observations + offsets


@interface_knob
class ObservationScale(InterfaceKnob):
    """Multiplies observations. Unit: a factor, 1 for the world's own."""

    name: ClassVar[str] = "observation-scale"

    def __init__(
        self, observation_space: spaces.Space, action_space: spaces.Space, n_copies: int
    ) -> None:
        super().__init__(observation_space, action_space, n_copies)
        self.observation_space = unbounded(self.require_box_observations())

    def observe(self, observations: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Multiply."""
        return observations * column(values, observations).astype(observations.dtype)


@interface_knob
class ObservationNoise(InterfaceKnob):
    """Adds fresh normal noise to every entry of every observation. Unit: its standard deviation."""

    name: ClassVar[str] = "observation-noise"

    def __init__(
        self, observation_space: spaces.Space, action_space: spaces.Space, n_copies: int
    ) -> None:
        super().__init__(observation_space, action_space, n_copies)
        self.observation_space = unbounded(self.require_box_observations())
        self._generator = np.random.default_rng(0)

    def check(self, value: float) -> None:
        """A standard deviation is not negative."""
        if value < 0:
            raise SettingsError(f"{self.name} must be at least 0, not {value!r}")

    def reseed(self, seed: int) -> None:
        """Draw the noise from a seed."""
        self._generator = np.random.default_rng([seed, 1])

    def observe(self, observations: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Draw and add."""
        noise = self._generator.standard_normal(observations.shape)
        return observations + (column(values, observations) * noise).astype(observations.dtype)

    def get_state(self) -> dict[str, Any]:
        """Return the generator's state."""
        return {"generator": self._generator.bit_generator.state}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a generator's state."""
        self._generator.bit_generator.state = state["generator"]


@interface_knob
class ObservationDelay(InterfaceKnob):
    """Shows the observation of some steps ago; at an episode's begin, its first. Unit: steps."""

    name: ClassVar[str] = "observation-delay"
    limit: ClassVar[int] = 64

    def __init__(
        self, observation_space: spaces.Space, action_space: spaces.Space, n_copies: int
    ) -> None:
        super().__init__(observation_space, action_space, n_copies)
        box = self.require_box_observations()
        self._past = np.zeros((self.limit + 1, n_copies, *box.shape), dtype=box.dtype)
        self._now = 0

    def check(self, value: float) -> None:
        """It must be a whole number of steps."""
        if value != int(value) or not 0 <= value <= self.limit:
            raise SettingsError(f"{self.name} must be from 0 to {self.limit}, not {value!r}")

    def observe(self, observations: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Remember this observation, show an earlier one."""
        self._now = (self._now + 1) % len(self._past)
        self._past[self._now] = observations
        return self._past[(self._now - values.astype(int)) % len(self._past), _copies(values)]

    def begin(self, observations: np.ndarray, which: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Fill the memory with the first observation."""
        self._past[:, which] = observations[which]
        return observations

    def get_state(self) -> dict[str, Any]:
        """Return the memory."""
        return {"past": self._past.copy(), "now": self._now}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a memory."""
        self._past, self._now = np.array(state["past"]), state["now"]


def _copies(values: np.ndarray) -> np.ndarray:
    return np.arange(len(values))
