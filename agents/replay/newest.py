"""The newest transitions of a replay buffer, read without any random number."""

from __future__ import annotations

import math
from typing import NamedTuple, final

import numpy as np
from stable_baselines3.common.buffers import ReplayBuffer

from ...wrappers.errors import SettingsError
from .around import AroundReplayBuffer
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


def ordered_buffer(buffer: ReplayBuffer) -> ReplayBuffer:
    """Return the buffer that keeps an agent's own steps in their order.

    Args:
        buffer: an agent's.

    Raises:
        SettingsError: there is no order, or observations have names.
    """
    if isinstance(buffer, AroundReplayBuffer):
        return buffer.own
    if type(buffer) not in (LeanReplayBuffer, ReplayBuffer):
        kind = type(buffer).__name__
        raise SettingsError(f"the newest transitions of a {kind} can't be told from others")
    return buffer


def newest_transitions(buffer: ReplayBuffer, number: int) -> Transitions:
    """Return the newest transitions.

    Args:
        buffer: an agent's.
        number: how many, rounded up to whole steps of all copies; fewer where there are fewer.

    Raises:
        SettingsError: as for `ordered_buffer`.

    Example:
        >>> from gymnasium import spaces
        >>> space = spaces.Box(-1, 1, (1,))
        >>> buffer = LeanReplayBuffer(100, space, space)
        >>> for step in range(3):
        ...     row = np.full((1, 1), step / 10)
        ...     buffer.add(row, row, row, np.full(1, step), np.zeros(1), [{}])
        >>> newest_transitions(buffer, 2).rewards.tolist()
        [2.0, 1.0]
    """
    buffer = ordered_buffer(buffer)
    steps = min(-(-number // buffer.n_envs), buffer.size())
    rows = (buffer.pos - 1 - np.arange(steps)) % buffer.buffer_size
    if isinstance(buffer, LeanReplayBuffer):
        observations = buffer.observations_at(rows)
    else:
        observations = buffer.observations[rows]
    count = steps * buffer.n_envs
    return Transitions(
        observations.reshape(count, math.prod(buffer.obs_shape)),
        buffer.actions[rows].reshape(count, buffer.action_dim),
        buffer.rewards[rows].reshape(count),
    )
