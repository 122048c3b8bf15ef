"""From evaluations to what the metrics read: curves, and tables by segment and task."""

from __future__ import annotations

import numpy as np
import pandas as pd


def evaluation_curves(evaluations: pd.DataFrame, score: str = "return") -> pd.DataFrame:
    """Average the episodes of each evaluation, one column a task.

    Args:
        evaluations: the table of evaluations: `step`, `task`, and a row an episode.
        score: the column to average, such as "return", "success" or "normalized".

    Returns:
        Scores by step (rows) and task (columns, in the order in which they first come); NaN where
        a task was not evaluated.

    Example:
        >>> rows = {"step": [0, 0, 0, 9], "task": ["b", "b", "a", "b"], "return": [1, 2, 3, 4]}
        >>> evaluation_curves(pd.DataFrame(rows))["b"].tolist()
        [1.5, 4.0]
    """
    means = evaluations.groupby(["step", "task"], sort=True)[score].mean().unstack("task")
    curves = means.reindex(columns=pd.unique(evaluations["task"])).astype(float)
    return curves.rename_axis(columns="task")


def in_segments(curves: pd.DataFrame, segments: pd.DataFrame, strict: bool = False) -> np.ndarray:
    """Return the position of the segment that each evaluation belongs to; -1 for none.

    A segment holds what was measured after its start, up to and with its end: at the step at which
    it ends, the agent has been trained in no later one.

    Args:
        curves: scores by step.
        segments: `start` and `end`, in order and without overlaps.
        strict: leave out what was measured exactly at an end, as CORA's published code does.

    Example:
        >>> curves = pd.DataFrame({"a": 0.0}, index=[0, 50, 100, 150])
        >>> in_segments(curves, pd.DataFrame({"start": [0, 100], "end": [100, 200]})).tolist()
        [-1, 0, 0, 1]
    """
    steps = curves.index.to_numpy()
    starts, ends = segments["start"].to_numpy(), segments["end"].to_numpy()
    place = np.searchsorted(starts, steps, side="left") - 1
    if len(segments):
        inside = (steps < ends[place]) if strict else (steps <= ends[place])
        place = np.where((place >= 0) & inside, place, -1)
    return place


def segment_ends(
    curves: pd.DataFrame,
    segments: pd.DataFrame,
    last: int = 1,
    closing: float = 0.1,
    slack: int = 0,
    strict: bool = False,
) -> pd.DataFrame:
    """Return how good each task was at the end of each segment: the matrix R[segment][task].

    Args:
        curves: scores by step and task.
        segments: `segment`, `start` and `end`.
        last: how many evaluations to average over; where there are fewer, those that there are.
        closing: evaluations count if they were in this last share of the segment, in (0, 1].
        slack: or in so many steps before its end, such as those of an iteration.
        strict: leave out what was measured exactly at an end.

    Returns:
        Scores by segment and task. NaN where there was no evaluation in the closing share: what
        was measured long before the end is not the end, and nothing is interpolated.

    Example:
        >>> curves = pd.DataFrame({"a": [0.1, 0.5, 0.9]}, index=[0, 95, 150])
        >>> segments = pd.DataFrame({"segment": [0, 1], "start": [0, 100], "end": [100, 200]})
        >>> segment_ends(curves, segments)["a"].tolist()
        [0.5, nan]
    """
    place = in_segments(curves, segments, strict)
    if len(segments):
        starts, ends = segments["start"].to_numpy(), segments["end"].to_numpy()
        opens = ends - np.maximum(closing * (ends - starts), slack)
        place = np.where(curves.index.to_numpy() >= opens[place], place, -1)
    return _by_segment(curves, place, segments, last)


def segment_means(curves: pd.DataFrame, segments: pd.DataFrame) -> pd.DataFrame:
    """Return the mean score of each task over each segment, by segment and task.

    Args:
        curves: scores by step and task.
        segments: `segment`, `start` and `end`.

    Example:
        >>> curves = pd.DataFrame({"a": [0.1, 0.5, 0.9]}, index=[0, 50, 100])
        >>> segments = pd.DataFrame({"segment": [0], "start": [0], "end": [100]})
        >>> segment_means(curves, segments)["a"].tolist()
        [0.7]
    """
    return _by_segment(curves, in_segments(curves, segments), segments, len(curves))


def initial_scores(curves: pd.DataFrame, segments: pd.DataFrame) -> pd.Series:
    """Return each task's score before anything was learned; NaN where nobody looked.

    Args:
        curves: scores by step and task.
        segments: `start`.

    Example:
        >>> curves = pd.DataFrame({"a": [0.1, 0.5]}, index=[0, 50])
        >>> initial_scores(curves, pd.DataFrame({"start": [0]})).tolist()
        [0.1]
    """
    before = curves[curves.index <= segments["start"].min()]
    empty = pd.Series(np.nan, curves.columns)
    return empty if before.empty else before.iloc[-1]


def own_cells(table: pd.DataFrame, segments: pd.DataFrame) -> pd.Series:
    """Pick from a table by segment and task the task that was trained in each segment.

    Args:
        table: by segment and task.
        segments: `segment` and `task`.

    Returns:
        A value for each key (segment, task); NaN where the task has no column.

    Example:
        >>> table = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
        >>> own_cells(table, pd.DataFrame({"segment": [0, 1], "task": ["b", "a"]})).to_dict()
        {(0, 'b'): 3.0, (1, 'a'): 2.0}
    """
    keys = pd.MultiIndex.from_frame(segments[["segment", "task"]])
    stacked = table.rename_axis(index="segment", columns="task").stack()
    return stacked.reindex(keys).astype(float)


def _by_segment(
    curves: pd.DataFrame, place: np.ndarray, segments: pd.DataFrame, last: int
) -> pd.DataFrame:
    """Average the last evaluations at each place, task by task: not all are always evaluated."""
    columns = {}
    for task in curves:
        known = (place >= 0) & curves[task].notna().to_numpy()
        places = pd.Series(place[known])
        tail = places.groupby(places).cumcount(ascending=False).to_numpy() < last
        scores = pd.Series(curves[task].to_numpy()[known][tail], dtype=float)
        columns[task] = scores.groupby(places.to_numpy()[tail]).mean().reindex(range(len(segments)))
    table = pd.DataFrame(columns, index=range(len(segments)), columns=curves.columns, dtype=float)
    table.index = pd.Index(segments["segment"].to_numpy(), name="segment")
    return table.rename_axis(columns="task")
