"""What Continual World measures of runs that learned one task after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .metrics.accuracy_matrix import average_accuracy
from .metrics.curves import segment_ends
from .metrics.forgetting import continual_world_forgetting, last_of_each_task
from .metrics.measured import mean_of
from .metrics.transfer import forward_transfer, segment_areas
from .records import Record
from .run_metrics import run_metrics

END = 0.1
"""The last share of a segment whose evaluations tell how good a task is at its end."""


class SequenceScores(NamedTuple):
    """What one run was measured to be.

    Attributes:
        tasks: the trained tasks, by segment.
        lengths: environment steps of each segment.
        performance: mean score over all tasks at the end of the run.
        learned: by segment, the score of its task at its own end.
        kept: by segment, the score of its task at the end of the run.
        forgetting: the mean of what each task has lost, of which the last has lost nothing.
        areas: by segment, the mean score of its task while it was trained.
        curves: scores by step and task.
    """

    tasks: tuple[str, ...]
    lengths: tuple[int, ...]
    performance: float
    learned: tuple[float, ...]
    kept: tuple[float, ...]
    forgetting: float
    areas: tuple[float, ...]
    curves: pd.DataFrame


def sequence_scores(record: Record, score: str) -> SequenceScores:
    """Measure a run as Wolczyk et al., "Continual World" (NeurIPS 2021), do.

    An end is the mean of the evaluations in the last tenth of a segment; theirs is that of 5 of 50.
    Evaluations are those of the run, which acts deterministically; theirs are random too.

    Args:
        record: the run.
        score: the column of its evaluations, such as "success" or "success_final".

    Raises:
        KeyError: if its evaluations have no such column.
    """
    found = run_metrics(record, score)
    curves, segments = found.curves, found.segments
    ends = segment_ends(curves, segments, last=len(curves), closing=END)
    losses = continual_world_forgetting(ends, segments)
    tasks = tuple(map(str, segments["task"]))
    final = ends.iloc[-1] if len(ends) else pd.Series(dtype=float)
    return SequenceScores(
        tasks=tasks,
        lengths=tuple(int(length) for length in segments["end"] - segments["start"]),
        performance=average_accuracy(ends).value,
        learned=tuple(
            float(ends[task].iloc[place]) if task in ends else np.nan
            for place, task in enumerate(tasks)
        ),
        kept=tuple(float(final.get(task, np.nan)) for task in tasks),
        forgetting=mean_of(last_of_each_task(losses)).value,
        areas=tuple(float(area) for area in segment_areas(curves, segments)),
        curves=curves,
    )


def reference_areas(runs: Iterable[SequenceScores], length: int) -> dict[str, float]:
    """Return how fast agents that know nothing yet learn each task: the mean area by task.

    In its first segment every run learns from scratch, whether others follow or not.

    Args:
        runs: of the agent that is the reference.
        length: environment steps of a task; first segments of other lengths do not compare.
    """
    areas: dict[str, list[float]] = {}
    for run in runs:
        if run.lengths and run.lengths[0] == length:
            areas.setdefault(run.tasks[0], []).append(run.areas[0])
    return {task: mean_of(found).value for task, found in areas.items()}


def transfers(scores: SequenceScores, references: Mapping[str, float]) -> tuple[float, ...]:
    """Return the forward transfer to the task of each segment; NaN where there is no reference.

    Its mean over runs is Continual World's, which averages areas over runs first: with one
    reference for all it comes to the same.

    Args:
        scores: of a run.
        references: from `reference_areas`.

    Example:
        >>> none = pd.DataFrame()
        >>> run = SequenceScores(("a", "b"), (9, 9), 0, (), (), 0, (0.75, 0.5), none)
        >>> transfers(run, {"a": 0.5})
        (0.5, nan)
    """
    known = [references.get(task, np.nan) for task in scores.tasks]
    return tuple(float(one) for one in forward_transfer(np.array(scores.areas), np.array(known)))


def plain_curves(curves: pd.DataFrame) -> dict[str, Any]:
    """Return curves as JSON can hold them: steps, and scores by task.

    Args:
        curves: scores by step and task.

    Example:
        >>> plain_curves(pd.DataFrame({"a": [0.0, 0.5]}, index=[0, 100]))
        {'steps': [0, 100], 'a': [0.0, 0.5]}
    """
    return {
        "steps": [int(step) for step in curves.index],
        **{str(task): [float(value) for value in curves[task]] for task in curves},
    }
