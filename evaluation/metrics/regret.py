"""What an agent lost to those that knew better: an expert of each context, or fixed policies."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def dynamic_regret(rewards: ArrayLike, reference: ArrayLike) -> np.ndarray:
    """Return what an agent that knows each context would have had more, summed up to each moment.

    Args:
        rewards: (n,).
        reference: the best that can be had at each moment, (n,).

    Returns:
        The sums, (n,): the last is the dynamic regret of the whole.

    Example:
        >>> dynamic_regret([2, 6, 9], [10, 10, 10]).tolist()
        [8.0, 12.0, 13.0]
    """
    return np.cumsum(np.asarray(reference, dtype=float) - np.asarray(rewards, dtype=float))


def static_regret(rewards: ArrayLike, policies: ArrayLike) -> float:
    """Return what the best fixed policy would have had more.

    It is below 0 for an agent that adapts better than any fixed policy can.

    Args:
        rewards: (n,).
        policies: what each of a few fixed policies would have got, (policies, n).

    Example:
        >>> static_regret([1, 1], [[2, 0], [0, 3]])
        1.0
    """
    return float(np.asarray(policies, dtype=float).sum(axis=1).max() - np.sum(rewards))


def strongly_adaptive_regret(rewards: ArrayLike, policies: ArrayLike, length: int) -> float:
    """Return the largest static regret over any stretch of a length (Daniely et al., ICML 2015).

    Args:
        rewards: (n,).
        policies: what each of a few fixed policies would have got, (policies, n).
        length: of the stretches, from 1 to n.

    Example:
        >>> strongly_adaptive_regret([1, 1, 1], [[2, 0, 0], [0, 3, 3]], length=2)
        4.0
    """
    gaps = np.asarray(policies, dtype=float) - np.asarray(rewards, dtype=float)
    sums = np.lib.stride_tricks.sliding_window_view(gaps, length, axis=1).sum(axis=2)
    return float(sums.max())
