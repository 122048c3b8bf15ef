"""Returns of several steps."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np


@final
class NStep(NamedTuple):
    """What several steps came to."""

    returns: np.ndarray
    """Discounted sums of rewards, of shape (batch,)."""

    last: np.ndarray
    """Which step was the last one that counts, from 0 to n - 1, of shape (batch,)."""

    discounts: np.ndarray
    """What a value after the last step is worth, of shape (batch,)."""


def n_step(rewards: np.ndarray, ends: np.ndarray, gamma: float) -> NStep:
    """Add up the rewards of n steps, or of fewer where a sequence ends before.

    R = sum over k < m of gamma^k r_k, where m is n, or the number of steps up to and including the
    first that ends. Sutton and Barto, "Reinforcement learning" (2018), equation 7.1, with the
    arithmetic of stable-baselines3's `NStepReplayBuffer`.

    Args:
        rewards: of shape (batch, n).
        ends: where no step follows that belongs to the same sequence, of the same shape.
        gamma: discount factor, from 0 to 1.

    Example:
        >>> ends = np.array([[False, False], [True, False]])
        >>> n_step(np.ones((2, 2), np.float32), ends, 0.5)
        NStep(returns=array([1.5, 1. ], dtype=float32), last=array([1, 0]), \
discounts=array([0.25, 0.5 ], dtype=float32))
    """
    n = rewards.shape[1]
    last = np.where(ends.any(axis=1), ends.argmax(axis=1), n - 1)
    counts = np.arange(n) <= last[:, None]
    weights = gamma ** np.arange(n, dtype=np.float32)
    returns = (rewards * weights * counts).sum(axis=1)
    return NStep(returns, last, gamma ** counts.sum(axis=1).astype(np.float32))
