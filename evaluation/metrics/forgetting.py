"""What is lost of a task while others are learned, in the forms that benchmarks give it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from .curves import own_cells


def continual_world_forgetting(ends: pd.DataFrame, segments: pd.DataFrame) -> pd.Series:
    """Return how much worse each task is at the end of the run than after its own training.

    Wolczyk et al., "Continual World" (NeurIPS 2021): F_i = p_i(i Delta) - p_i(T), whose mean over
    all N tasks is F: the last task contributes 0. Their code takes the mean of the last 5
    evaluations for both: `segment_ends(curves, segments, last=5, closing=1)`. Where tasks come
    again, each of their segments has a key; `last_of_each_task` picks the newest.

    Args:
        ends: scores by segment and task, from `segment_ends`.
        segments: `segment` and the trained `task`.

    Returns:
        A value for each key (segment, task); above 0 is forgetting.

    Example:
        >>> ends = pd.DataFrame({"a": [0.9, 0.6], "b": [0.0, 0.8]})
        >>> segments = pd.DataFrame({"segment": [0, 1], "task": ["a", "b"]})
        >>> continual_world_forgetting(ends, segments).round(12).to_dict()
        {(0, 'a'): 0.3, (1, 'b'): 0.0}
    """
    own = own_cells(ends, segments)
    final = ends.iloc[-1] if len(ends) else pd.Series(dtype=float)
    return own - final.reindex(own.index.get_level_values("task")).to_numpy()


def coom_forgetting(ends: pd.DataFrame, segments: pd.DataFrame) -> pd.Series:
    """Return Continual World's forgetting of all tasks but the one that was trained last.

    Tomilin et al., "COOM" (NeurIPS 2023), whose mean is over N - 1 tasks. Their code takes the last
    10 evaluations: `segment_ends(curves, segments, last=10, closing=1)`.

    Args:
        ends: scores by segment and task, from `segment_ends`.
        segments: `segment` and the trained `task`.

    Returns:
        A value for each key (segment, task); above 0 is forgetting.

    Example:
        >>> ends = pd.DataFrame({"a": [0.9, 0.6], "b": [0.0, 0.8]})
        >>> segments = pd.DataFrame({"segment": [0, 1], "task": ["a", "b"]})
        >>> coom_forgetting(ends, segments).round(12).to_dict()
        {(0, 'a'): 0.3}
    """
    values = continual_world_forgetting(ends, segments)
    return values[values.index.get_level_values("task") != segments["task"].iloc[-1]]


def cora_isolated_forgetting(ends: pd.DataFrame, segments: pd.DataFrame) -> pd.DataFrame:
    """Return what each segment took from each task that had been trained before it.

    Powers et al., "CORA" (CoLLAs 2022): F_{i,j} = r_{i,j-1,end} - r_{i,j,end}, in every segment
    after the task's first, its own later ones included, where it is below 0 for learning again.
    Their scores are divided by `cora_scale`; their tables show 10 times the values. Their code
    leaves out evaluations exactly at an end: `segment_ends(..., closing=1, strict=True)`.

    Args:
        ends: scores by segment and task, from `segment_ends`.
        segments: `segment` and the trained `task`.

    Returns:
        By segment and task; NaN in and before a task's first segment. Above 0 is forgetting.

    Example:
        >>> ends = pd.DataFrame({"a": [0.9, 0.6, 0.7], "b": [0.0, 0.8, 0.5]})
        >>> segments = pd.DataFrame({"segment": [0, 1, 2], "task": ["a", "b", "a"]})
        >>> cora_isolated_forgetting(ends, segments).round(12).to_numpy().tolist()
        [[nan, nan], [0.3, nan], [-0.1, 0.3]]
    """
    met = first_positions(ends, segments)
    after = np.arange(len(ends))[:, None] > met[None, :]
    return (-ends.diff()).where(after)


def cora_scale(curves: Iterable[pd.DataFrame]) -> pd.Series:
    """Return what CORA divides each task's scores by: the largest magnitude in any run.

    It depends on the runs at hand, and scores of other sets of runs do not compare.

    Args:
        curves: of each run, scores by step and task.

    Returns:
        By task; NaN where it is 0.

    Example:
        >>> cora_scale([pd.DataFrame({"a": [1.0, -4.0]}), pd.DataFrame({"a": [2.0]})]).to_dict()
        {'a': 4.0}
    """
    largest = pd.concat([table.abs().max() for table in curves], axis=1).max(axis=1)
    return largest.where(largest > 0)


def last_of_each_task(values: pd.Series) -> pd.Series:
    """Keep of each task the value of its last segment.

    Args:
        values: by (segment, task), in the order of segments.

    Example:
        >>> keys = pd.MultiIndex.from_tuples([(0, "a"), (1, "b"), (2, "a")])
        >>> last_of_each_task(pd.Series([1.0, 2.0, 3.0], keys.set_names(["segment", "task"])))
        segment  task
        1        b       2.0
        2        a       3.0
        dtype: float64
    """
    return values[~values.index.get_level_values("task").duplicated(keep="last")]


def first_positions(table: pd.DataFrame, segments: pd.DataFrame) -> np.ndarray:
    """Return for each column's task the position of its first segment; their number for none.

    Args:
        table: by segment and task.
        segments: the trained `task`.

    Example:
        >>> table = pd.DataFrame({"a": [0.0], "b": [0.0], "c": [0.0]})
        >>> first_positions(table, pd.DataFrame({"task": ["b", "a"]})).tolist()
        [1, 0, 2]
    """
    trained = segments["task"].tolist()
    return np.array([trained.index(t) if t in trained else len(trained) for t in table], dtype=int)
