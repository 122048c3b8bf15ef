"""One number, or one curve, for the scores of several runs on several tasks.

All take scores of shape (..., runs, tasks), and work on a batch of such tables at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


def interquartile_mean(scores: ArrayLike) -> np.ndarray:
    """Return the mean of the middle half of all scores, runs and tasks together: IQM.

    Agarwal et al. (NeurIPS 2021), section 4.3. A quarter of the scores, rounded down, is cut off at
    either end.

    Args:
        scores: (..., runs, tasks).

    Example:
        >>> interquartile_mean([[0.0, 1.0], [1.0, 100.0]]).item()
        1.0
    """
    table = np.asarray(scores, dtype=float)
    return np.asarray(stats.trim_mean(_flat(table), 0.25, axis=-1))


def mean_of_tasks(scores: ArrayLike) -> np.ndarray:
    """Return the mean over tasks of the mean over runs.

    Args:
        scores: (..., runs, tasks).

    Example:
        >>> mean_of_tasks([[0.0, 1.0], [1.0, 4.0]]).item()
        1.5
    """
    return np.mean(np.asarray(scores, dtype=float), axis=(-2, -1))


def median_of_tasks(scores: ArrayLike) -> np.ndarray:
    """Return the median over tasks of the mean over runs.

    Args:
        scores: (..., runs, tasks).

    Example:
        >>> median_of_tasks([[0.0, 1.0, 9.0], [1.0, 3.0, 9.0]]).item()
        2.0
    """
    return np.median(np.mean(np.asarray(scores, dtype=float), axis=-2), axis=-1)


def optimality_gap(scores: ArrayLike, target: float = 1.0) -> np.ndarray:
    """Return by how much runs miss a target on average; beyond it counts as reached.

    Agarwal et al. (NeurIPS 2021), section 4.3.

    Args:
        scores: (..., runs, tasks).
        target: the score that is wanted, gamma in the paper.

    Example:
        >>> optimality_gap([[0.5, 3.0]]).item()
        0.25
    """
    reached = np.minimum(np.asarray(scores, dtype=float), target)
    return target - np.mean(reached, axis=(-2, -1))


def probability_of_improvement(scores: ArrayLike, others: ArrayLike) -> np.ndarray:
    """Return how likely a run of one agent beats a run of another on a task drawn at random.

    Agarwal et al. (NeurIPS 2021), section 4.3: the mean over tasks of the Mann-Whitney U statistic
    divided by the number of pairs; runs that are equal count half.

    Args:
        scores: (..., runs, tasks).
        others: (..., other runs, tasks), of as many tasks.

    Example:
        >>> probability_of_improvement([[1.0], [3.0]], [[2.0], [3.0]]).item()
        0.375
    """
    own = np.asarray(scores, dtype=float)[..., :, None, :]
    their = np.asarray(others, dtype=float)[..., None, :, :]
    wins = (np.sign(own - their) + 1.0) / 2.0
    return np.mean(wins, axis=(-3, -2, -1))


def performance_profile(scores: ArrayLike, thresholds: ArrayLike) -> np.ndarray:
    """Return the share of runs, on all tasks, that score above each threshold.

    Agarwal et al. (NeurIPS 2021), section 4.2: the run-score distribution.

    Args:
        scores: (..., runs, tasks).
        thresholds: tau, (n,).

    Returns:
        Shares, (..., n).

    Example:
        >>> performance_profile([[0.1, 0.5], [0.2, 0.9]], [0.0, 0.5]).tolist()
        [1.0, 0.25]
    """
    return _above(_flat(np.asarray(scores, dtype=float)), thresholds)


def average_score_profile(scores: ArrayLike, thresholds: ArrayLike) -> np.ndarray:
    """Return the share of tasks whose mean score is above each threshold.

    Args:
        scores: (..., runs, tasks).
        thresholds: tau, (n,).

    Returns:
        Shares, (..., n).

    Example:
        >>> average_score_profile([[0.1, 0.5], [0.2, 0.9]], [0.0, 0.5]).tolist()
        [1.0, 0.5]
    """
    return _above(np.mean(np.asarray(scores, dtype=float), axis=-2), thresholds)


def _flat(table: np.ndarray) -> np.ndarray:
    return table.reshape(*table.shape[:-2], -1)


def _above(values: np.ndarray, thresholds: ArrayLike) -> np.ndarray:
    limits = np.asarray(thresholds, dtype=float)
    shares = np.mean(values[..., None, :] > limits[:, None], axis=-1)
    return np.where(np.isnan(values).any(axis=-1)[..., None], np.nan, shares)
