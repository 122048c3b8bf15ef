"""Metrics of the matrix R[segment][task]: how good each task was at the end of each segment."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .forgetting import coom_forgetting, first_positions, last_of_each_task
from .measured import Measured, mean_of


def average_accuracy(ends: pd.DataFrame) -> Measured:
    """Return the mean score over all tasks at the end: ACC = mean_j R[T][j].

    Lopez-Paz and Ranzato, "Gradient episodic memory" (NeurIPS 2017), equation 2.

    Args:
        ends: the matrix, from `segment_ends`.

    Example:
        >>> average_accuracy(pd.DataFrame({"a": [0.9, 0.6], "b": [0.1, 0.8]})).value
        0.7
    """
    return mean_of(ends.iloc[-1] if len(ends) else [])


def backward_transfer(ends: pd.DataFrame, segments: pd.DataFrame) -> Measured:
    """Return what later learning did to earlier tasks: BWT = mean_{j<T} (R[T][j] - R[j][j]).

    Lopez-Paz and Ranzato, "Gradient episodic memory" (NeurIPS 2017), equation 3. It is minus COOM's
    forgetting. A task that came again counts once, from its last segment on.

    Args:
        ends: the matrix, from `segment_ends`.
        segments: `segment` and the trained `task`.

    Returns:
        Below 0 is forgetting; the count is of tasks other than the last.

    Example:
        >>> ends = pd.DataFrame({"a": [0.9, 0.6], "b": [0.1, 0.8]})
        >>> segments = pd.DataFrame({"segment": [0, 1], "task": ["a", "b"]})
        >>> round(backward_transfer(ends, segments).value, 12)
        -0.3
    """
    return mean_of(-last_of_each_task(coom_forgetting(ends, segments)))


def maximum_forgetting(ends: pd.DataFrame, segments: pd.DataFrame) -> Measured:
    """Return the mean fall from each earlier task's best: mean_j (max_{l<T} R[l][j] - R[T][j]).

    Chaudhry et al., "Riemannian walk for incremental learning" (ECCV 2018), section 3.1.

    Args:
        ends: the matrix, from `segment_ends`.
        segments: `segment` and the trained `task`.

    Returns:
        Above 0 is forgetting; the count is of trained tasks other than the last.

    Example:
        >>> ends = pd.DataFrame({"a": [0.5, 0.9, 0.6], "b": [0.1, 0.8, 0.8]})
        >>> segments = pd.DataFrame({"segment": [0, 1, 2], "task": ["a", "a", "b"]})
        >>> round(maximum_forgetting(ends, segments).value, 12)
        0.3
    """
    earlier = [task for task in pd.unique(segments["task"]) if task != segments["task"].iloc[-1]]
    known = ends.reindex(columns=earlier)
    return mean_of(known.iloc[:-1].max() - known.iloc[-1] if earlier else [])


def gem_forward_transfer(
    ends: pd.DataFrame, segments: pd.DataFrame, initial: pd.Series
) -> Measured:
    """Return how good tasks are just before they are learned: mean_{j>1} (R[j-1][j] - b_j).

    Lopez-Paz and Ranzato, "Gradient episodic memory" (NeurIPS 2017), equation 4.

    Args:
        ends: the matrix, from `segment_ends`.
        segments: `segment` and the trained `task`.
        initial: b, each task's score before any training, from `initial_scores`.

    Returns:
        Above 0 is transfer; the count is of tasks that were first trained after another.

    Example:
        >>> ends = pd.DataFrame({"a": [0.9, 0.6], "b": [0.1, 0.8]})
        >>> segments = pd.DataFrame({"segment": [0, 1], "task": ["a", "b"]})
        >>> gem_forward_transfer(ends, segments, pd.Series({"a": 0.05, "b": 0.05})).value
        0.05
    """
    met = first_positions(ends, segments)
    later = np.flatnonzero((met > 0) & (met < len(ends)))
    before = ends.to_numpy()[met[later] - 1, later]
    return mean_of(before - initial.reindex(ends.columns[later]).to_numpy(dtype=float))


def coverage(ends: pd.DataFrame) -> Measured:
    """Return the share of the matrix that was measured.

    Args:
        ends: the matrix, from `segment_ends`.

    Example:
        >>> coverage(pd.DataFrame({"a": [0.9, None]}))
        Measured(value=0.5, n=1, of=2)
    """
    known = int(ends.notna().sum().sum())
    return Measured(known / ends.size if ends.size else float("nan"), known, ends.size)
