"""Transitions that no longer change: of earlier experiments, or of collected sets."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import final

import numpy as np

from ...wrappers.errors import SettingsError
from .n_step import n_step
from .pieces import Array, Pieces, blocks


@final
@dataclass(frozen=True)
class Transitions:
    """Transitions in the order in which they were lived, one sequence after the other.

    Observations and actions may lie in files, as `Pieces`, of which batches alone are read.

    Example:
        >>> one = np.zeros((3, 2), np.float32)
        >>> flags = np.array([False, True, True])
        >>> lived = Transitions(one, one, np.ones(3, np.float32), one, flags & False, flags)
        >>> len(lived), lived.returns_to_go(0.5)
        (3, array([1.5, 1. , 1. ], dtype=float32))
    """

    observations: Array
    """Where each began, of shape (transitions, *observation)."""

    actions: Array
    """From -1 to 1, of shape (transitions, dimensions)."""

    rewards: np.ndarray
    """Of shape (transitions,)."""

    next_observations: Array
    """Where each ended, of the shape of `observations`."""

    terminals: np.ndarray
    """Whether the episode ended for good, of shape (transitions,)."""

    ends: np.ndarray
    """Whether the next transition is of another sequence, of shape (transitions,)."""

    discounts: np.ndarray | None = None
    """What a value after each is worth, of shape (transitions,); None for the learner's gamma."""

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.rewards)

    @property
    def digest(self) -> str:
        """The SHA-256 of all arrays, by which the same transitions are known again."""
        whole = hashlib.sha256()
        for field in fields(self):
            array = getattr(self, field.name)
            if array is not None:
                whole.update(str((field.name, array.dtype.str, array.shape)).encode())
                for block in blocks(array):
                    whole.update(np.ascontiguousarray(block).data)
        return whole.hexdigest()

    def over(self, n_steps: int, gamma: float) -> Transitions:
        """Return transitions over several steps each.

        Args:
            n_steps: how many, at least 1.
            gamma: discount factor, from 0 to 1.
        """
        if n_steps == 1:
            return self
        found = []
        for rows in blocks(np.arange(len(self))):
            window = rows[:, None] + np.arange(n_steps)
            beyond = window >= len(self)
            window = np.minimum(window, len(self) - 1)
            added = n_step(self.rewards[window], self.ends[window] | beyond, gamma)
            found.append((added.returns, rows + added.last, added.discounts))
        returns, last, discounts = map(np.concatenate, zip(*found, strict=True))
        return replace(
            self,
            rewards=returns,
            next_observations=Pieces([self.next_observations], last),
            terminals=self.terminals[last],
            discounts=discounts,
        )

    def returns_to_go(self, gamma: float) -> np.ndarray:
        """Return the discounted sum of rewards from each transition to the end of its sequence.

        Args:
            gamma: discount factor, from 0 to 1.
        """
        returns = np.zeros(len(self), np.float32)
        following = 0.0
        for index in range(len(self) - 1, -1, -1):
            following = float(self.rewards[index]) + gamma * following * (not self.ends[index])
            returns[index] = following
        return returns

    def take(self, rows: np.ndarray) -> Transitions:
        """Return some of the transitions; each is a sequence of its own then.

        Args:
            rows: their indices.
        """
        names = [field.name for field in fields(self) if getattr(self, field.name) is not None]
        parts = {name: getattr(self, name)[rows] for name in names}
        return Transitions(**{**parts, "ends": np.ones(len(rows), np.bool_)})


def require_alike(parts: Sequence[Transitions]) -> None:
    """Raise unless several sets can be joined.

    Args:
        parts: at least one.

    Raises:
        SettingsError: their observations or actions have different shapes.
    """
    for part in parts[1:]:
        for name in ("observations", "actions"):
            one, other = getattr(parts[0], name).shape[1:], getattr(part, name).shape[1:]
            if one != other:
                raise SettingsError(f"{name} of shapes {one} and {other} cannot be joined")


def join(parts: Sequence[Transitions]) -> Transitions:
    """Return the transitions of several sets, one after the other, where they lie.

    Args:
        parts: at least one, of equal shapes.

    Raises:
        SettingsError: their observations or actions have different shapes.
    """
    require_alike(parts)
    if len(parts) == 1:
        return parts[0]
    columns: dict[str, Array] = {}
    for name in (f.name for f in fields(Transitions) if getattr(parts[0], f.name) is not None):
        found = [getattr(part, name) for part in parts]
        large = name in ("observations", "actions", "next_observations")
        columns[name] = Pieces(found) if large else np.concatenate(found)
    return Transitions(**columns)  # type: ignore[arg-type]
