"""Knobs between a world and its agent: what they do to actions, observations and rewards."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces

from .errors import SettingsError


class InterfaceKnob(ABC):
    """One way to alter what passes between a world and its agent, in all copies at once.

    A subclass overrides the few methods that it needs. Arrays have one row a copy; a context's
    values have one entry a copy. Such a knob works on every back end and lands in place.

    Args:
        observation_space: of one copy, before this knob.
        action_space: of one copy.
        n_copies: copies of the world.

    Raises:
        SettingsError: if the spaces are none that the knob can alter.

    Attributes:
        observation_space: of one copy, after this knob.
    """

    name: ClassVar[str]
    """The name under which changes and contexts know the knob."""

    def __init__(
        self, observation_space: spaces.Space, action_space: spaces.Space, n_copies: int
    ) -> None:
        self.observation_space = observation_space
        self.action_space = action_space
        self.n_copies = n_copies

    def check(self, value: float) -> None:
        """Refuse a value that makes no sense.

        Raises:
            SettingsError: naming what is allowed.
        """

    def act(self, actions: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Alter the actions on their way to the world.

        Args:
            actions: shape (n_copies, ...); not to be written to.
            values: the knob's value in each copy, shape (n_copies,).
        """
        return actions

    def observe(self, observations: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Alter the observations that follow a step.

        Args:
            observations: shape (n_copies, ...), terminal ones included; not to be written to.
            values: the knob's value in each copy, shape (n_copies,).
        """
        return observations

    def begin(self, observations: np.ndarray, which: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Alter the observations that begin episodes, and forget what came before.

        Args:
            observations: shape (n_copies, ...); not to be written to. Only the rows of `which` are
                read, and only they are looked at in the result.
            which: the copies that begin an episode, shape (n_copies,).
            values: the knob's value in each copy, shape (n_copies,).
        """
        return self.observe(observations, values)

    def reward(
        self, rewards: np.ndarray, info: Mapping[str, Any], values: np.ndarray
    ) -> np.ndarray:
        """Alter the rewards.

        Args:
            rewards: shape (n_copies,); not to be written to.
            info: the world's own info of this step, an array an entry.
            values: the knob's value in each copy, shape (n_copies,).
        """
        return rewards

    def ends(self, episode_steps: np.ndarray, values: np.ndarray) -> np.ndarray | None:
        """Say which episodes are to be truncated now, or None for none ever.

        Args:
            episode_steps: steps in the episode, this one included, shape (n_copies,).
            values: the knob's value in each copy, shape (n_copies,).
        """
        return None

    def reseed(self, seed: int) -> None:
        """Begin anew with what the knob draws at every step, if it draws anything.

        Args:
            seed: the stream's seed.
        """

    def get_state(self) -> dict[str, Any]:
        """Return what the knob remembers between steps."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` returned."""

    def require_box_observations(self) -> spaces.Box:
        """Return the observation space, which must be a Box of floats.

        Raises:
            SettingsError: if it is not.
        """
        space = self.observation_space
        if not isinstance(space, spaces.Box) or not np.issubdtype(space.dtype, np.floating):
            raise SettingsError(f"the knob {self.name!r} needs observations of floats, not {space}")
        return space

    def require_box_actions(self) -> spaces.Box:
        """Return the action space, which must be a Box.

        Raises:
            SettingsError: if it is not.
        """
        if not isinstance(self.action_space, spaces.Box):
            raise SettingsError(
                f"the knob {self.name!r} needs continuous actions, not {self.action_space}"
            )
        return self.action_space


_INTERFACE_KNOBS: dict[str, type[InterfaceKnob]] = {}


def interface_knob(cls: type[InterfaceKnob]) -> type[InterfaceKnob]:
    """Make an interface knob known by its name; a decorator.

    Args:
        cls: the knob's class.
    """
    _INTERFACE_KNOBS[cls.name] = cls
    return cls


def find_interface_knob(name: str) -> type[InterfaceKnob] | None:
    """Return the interface knob of a name, or None if the name is not one's."""
    return _INTERFACE_KNOBS.get(name)


def interface_knob_names() -> list[str]:
    """List every interface knob."""
    return sorted(_INTERFACE_KNOBS)


def column(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Shape one value a copy so that it broadcasts over rows.

    Args:
        values: shape (n_copies,).
        like: shape (n_copies, ...).

    Example:
        >>> column(np.array([1.0, 2.0]), np.zeros((2, 3))).shape
        (2, 1)
    """
    return values.reshape(-1, *(1,) * (like.ndim - 1))


def widened(space: spaces.Box, low: float, high: float) -> spaces.Box:
    """Return a Box of the same shape and type with one bound for all entries.

    Args:
        space: the Box.
        low: the lower bound.
        high: the upper bound.
    """
    return spaces.Box(low, high, space.shape, space.dtype.type)


def unbounded(space: spaces.Box) -> spaces.Box:
    """Return a Box of the same shape and type without bounds."""
    return widened(space, -np.inf, np.inf)
