"""The newest transitions of a replay buffer, read without any random number."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from stable_baselines3.common.buffers import ReplayBuffer

from ...wrappers.errors import SettingsError
from .buffers import LeanReplayBuffer


@final
class Transitions(NamedTuple):
    """Transitions of all copies of the world, the newest first."""

    observations: np.ndarray
    """Where they began, of shape (transitions, inputs)."""

    actions: np.ndarray
    """From -1 to 1, of shape (transitions, dimensions)."""

    rewards: np.ndarray
    """Of shape (transitions,)."""


def newest_transitions(buffer: ReplayBuffer, number: int) -> Transitions:
    """Return the newest transitions.

    Args:
        buffer: stable-baselines3's own or a `LeanReplayBuffer`.
        number: how many, rounded up to whole steps of all copies; fewer where there are fewer.

    Raises:
        SettingsError: another buffer, or one whose observations have names.

    Example:
        >>> from gymnasium import spaces
        >>> space = spaces.Box(-1, 1, (1,))
        >>> buffer = LeanReplayBuffer(100, space, space)
        >>> for step in range(3):
        ...     row = np.full((1, 1), step / 10)
        ...     buffer.add(row, row, row, row[0], np.zeros(1), [{}])
        >>> newest_transitions(buffer, 2).rewards.round(1).tolist()
        [0.2, 0.1]
    """
    if type(buffer) not in (LeanReplayBuffer, ReplayBuffer):
        kind = type(buffer).__name__
        raise SettingsError(f"the newest transitions of a {kind} can't be told from others")
    steps = min(-(-number // buffer.n_envs), buffer.size())
    rows = (buffer.pos - 1 - np.arange(steps)) % buffer.buffer_size
    if isinstance(buffer, LeanReplayBuffer):
        observations = buffer.observations_at(rows)
    else:
        observations = buffer.observations[rows]
    count = steps * buffer.n_envs
    return Transitions(
        observations.reshape(count, -1),
        buffer.actions[rows].reshape(count, -1),
        buffer.rewards[rows].reshape(count),
    )
