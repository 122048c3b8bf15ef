"""What an agent has just lived through, as its methods see it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space
from torch import Tensor

from ..wrappers.errors import SettingsError


class Experience(NamedTuple):
    """One step of all copies of the world.

    Attributes:
        observations: where it began, of shape (copies, *observation).
        actions: what the worlds were given, of shape (copies, *action).
        rewards: what the worlds gave, of shape (copies,).
        next_observations: where it ended, also at the end of an episode, of shape
            (copies, *observation).
        dones: whether the episode ended, of shape (copies,).
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    next_observations: np.ndarray
    dones: np.ndarray


class Rollout(NamedTuple):
    """What all copies of the world lived through in one rollout, step by step.

    Attributes:
        observations: what the actor's network read, of shape (steps, copies, inputs).
        actions: as the policy drew them, of shape (steps, copies, dimensions).
        rewards: of shape (steps, copies); where a time limit ended an episode, with the discounted
            value after it.
        starts: 1 where an episode begins with the step, else 0, of shape (steps, copies).
        log_probs: logarithms of the actions' likelihoods under the policy that drew them.
        values: what the critic said then.
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    starts: Tensor
    log_probs: Tensor
    values: Tensor


def count_inputs(observed: spaces.Space[Any], method: str) -> int:
    """Return how many numbers an observation is.

    Args:
        observed: the space.
        method: who asks.

    Raises:
        SettingsError: observations are images, or no numbers.
    """
    if not isinstance(observed, spaces.Box) or is_image_space(observed):
        kind = "images" if isinstance(observed, spaces.Box) else type(observed).__name__
        raise SettingsError(f"{method} needs observations that are a vector of numbers, not {kind}")
    return int(np.prod(observed.shape))


def count_actions(acted: spaces.Space[Any], method: str) -> int:
    """Return how many numbers `encode_actions` makes of an action.

    Args:
        acted: the space.
        method: who asks.

    Raises:
        SettingsError: actions are neither numbers nor one choice.
    """
    if isinstance(acted, spaces.Discrete):
        return int(acted.n)
    if isinstance(acted, spaces.Box):
        return int(np.prod(acted.shape))
    raise SettingsError(f"{method} needs Box or Discrete actions, not {type(acted).__name__}")


def encode_actions(acted: spaces.Space[Any], actions: np.ndarray) -> np.ndarray:
    """Return actions as vectors: one-hot, or scaled to [-1, 1] where they have bounds.

    Args:
        acted: their space.
        actions: of shape (batch, *action).

    Returns:
        Of shape (batch, numbers).

    Example:
        >>> encode_actions(spaces.Discrete(3), np.array([2, 0])).tolist()
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
        >>> encode_actions(spaces.Box(0, 4, (1,)), np.array([[3.0]])).tolist()
        [[0.5]]
    """
    if isinstance(acted, spaces.Discrete):
        return np.eye(int(acted.n), dtype=np.float32)[np.ravel(actions).astype(int) - acted.start]
    assert isinstance(acted, spaces.Box)
    flat = np.reshape(actions, (len(actions), -1)).astype(np.float32)
    if not acted.is_bounded():
        return flat
    low, high = acted.low.ravel(), acted.high.ravel()
    scaled = 2 * (flat - low) / np.maximum(high - low, 1e-8) - 1
    return scaled.astype(np.float32)
