"""How good an agent is over all tasks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .curves import segment_means
from .measured import Measured, mean_of


def continual_world_performance(curves: pd.DataFrame, tail: int = 5) -> Measured:
    """Return the mean score over all tasks at the end of a run: Continual World's P.

    Wolczyk et al., "Continual World" (NeurIPS 2021): P = 1/N sum_i p_i(T). Their code takes for
    p_i(T) the mean of the last 5 evaluations.

    Args:
        curves: scores by step and task, each task once.
        tail: evaluations at the end to average over, at least 1.

    Example:
        >>> curves = pd.DataFrame({"a": [0.0, 0.5, 0.7], "b": [0.0, 0.8, 1.0]})
        >>> round(continual_world_performance(curves, tail=2).value, 12)
        0.75
    """
    return mean_of(curves.tail(tail).mean())


def coom_performance(
    curves: pd.DataFrame, segments: pd.DataFrame, drop_zeros: bool = False
) -> Measured:
    """Return the mean score of the tasks met so far over the whole of training: COOM's.

    Tomilin et al., "COOM" (NeurIPS 2023): the mean over tasks and over segments from the task's
    first on, of the mean of all evaluations in the segment.

    Args:
        curves: scores by step and task.
        segments: `segment`, `start`, `end` and the trained `task`.
        drop_zeros: leave out cells that are exactly 0, as the published code does by mistake.

    Returns:
        The mean over cells of the table by segment and task.

    Example:
        >>> curves = pd.DataFrame({"a": [0.8, 0.0], "b": [0.3, 0.6]}, index=[100, 200])
        >>> rows = {"segment": [0, 1], "start": [0, 100], "end": [100, 200], "task": ["a", "b"]}
        >>> round(coom_performance(curves, pd.DataFrame(rows)).value, 12)
        0.466666666667
    """
    table = segment_means(curves, segments)
    cells = [
        table[task].iloc[position:].to_numpy()
        for task in table
        for position in np.flatnonzero(segments["task"] == task)[:1]
    ]
    values = np.concatenate([*cells, np.empty(0)])
    return mean_of(values[values != 0] if drop_zeros else values)
