"""What learning one task does for another, in the forms that benchmarks give it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .curves import initial_scores, own_cells, segment_means
from .forgetting import first_positions
from .measured import Measured, mean_of

LEAST_ROOM = 0.01
"""Where a reference leaves less room than this to do better, forward transfer is undefined."""


def segment_areas(curves: pd.DataFrame, segments: pd.DataFrame) -> pd.Series:
    """Return the mean score of the trained task over each segment: its normalised area.

    Wolczyk et al., "Continual World" (NeurIPS 2021): AUC_i = 1/Delta times the integral of p_i over
    the task's segment, computed as the mean of the evaluations there.

    Args:
        curves: scores by step and task.
        segments: `segment`, `start`, `end` and the trained `task`.

    Returns:
        A value for each key (segment, task).

    Example:
        >>> curves = pd.DataFrame({"a": [0.1, 0.5, 0.9]}, index=[0, 50, 100])
        >>> rows = {"segment": [0], "start": [0], "end": [100], "task": ["a"]}
        >>> segment_areas(curves, pd.DataFrame(rows)).to_dict()
        {(0, 'a'): 0.7}
    """
    return own_cells(segment_means(curves, segments), segments)


def forward_transfer(area: ArrayLike, reference: ArrayLike) -> np.ndarray:
    """Return how much of what a from-scratch agent left open was gained.

    Wolczyk et al., "Continual World" (NeurIPS 2021): FT_i = (AUC_i - AUC_i^b) / (1 - AUC_i^b),
    where b is an agent trained on task i alone with the same budget. Scores are success rates, or
    normalised so that 1 is a reference's.

    Args:
        area: mean scores over segments, of any shape.
        reference: those of the from-scratch agent.

    Returns:
        At most 1 for scores up to 1; NaN where the reference leaves less than 0.01 open.

    Example:
        >>> forward_transfer([0.75, 1.0], [0.5, 1.0]).tolist()
        [0.5, nan]
    """
    gain = np.asarray(area, dtype=float) - reference
    room = 1.0 - np.asarray(reference, dtype=float)
    return np.where(room > LEAST_ROOM, gain, np.nan) / np.where(room > LEAST_ROOM, room, np.nan)


def continual_world_forward_transfer(areas: ArrayLike, reference: ArrayLike) -> Measured:
    """Return the mean forward transfer of several runs: Continual World's FT.

    Areas are averaged over runs first, then the ratio is taken for each segment, as in their code.

    Args:
        areas: (runs, segments), each from `segment_areas`.
        reference: (reference runs, segments), of from-scratch agents; their number may differ.

    Example:
        >>> round(continual_world_forward_transfer([[0.55], [0.53]], [[0.44], [0.41]]).value, 12)
        0.2
    """
    means = np.mean(np.asarray(areas, dtype=float), axis=0)
    return mean_of(forward_transfer(means, np.mean(np.asarray(reference, dtype=float), axis=0)))


def coom_forward_transfer(curve: ArrayLike, reference: ArrayLike) -> float:
    """Return forward transfer as one ratio over the whole sequence: COOM's.

    Tomilin et al., "COOM" (NeurIPS 2023): the areas are those of the curve of the current task,
    segments joined end to end, so that it is a ratio of means and not a mean of ratios.

    Args:
        curve: scores of the task in training, (evaluations,).
        reference: those of from-scratch agents, task after task, (evaluations,).

    Returns:
        NaN where the reference leaves less than 0.01 open.

    Example:
        >>> round(coom_forward_transfer([0.2, 0.9], [0.1, 0.5]), 12)
        0.357142857143
    """
    return float(forward_transfer(np.mean(np.asarray(curve)), np.mean(np.asarray(reference))))


def cora_zero_shot_transfer(
    ends: pd.DataFrame, curves: pd.DataFrame, segments: pd.DataFrame
) -> pd.DataFrame:
    """Return what each segment gave to each task that had not been trained yet.

    Powers et al., "CORA" (CoLLAs 2022), isolated zero-shot forward transfer:
    Z_{i,j} = r_{i,j,end} - r_{i,j-1,end} in every segment before the task's first; for segment 0
    the score before training takes the place of an earlier end. Scores are divided by `cora_scale`.

    Args:
        ends: scores by segment and task, from `segment_ends`.
        curves: scores by step and task, for those before training.
        segments: `segment`, `start` and the trained `task`.

    Returns:
        By segment and task; NaN from a task's first segment on. Above 0 is transfer.

    Example:
        >>> curves = pd.DataFrame({"a": [0.0, 0.9, 0.6], "b": [0.1, 0.3, 0.8]}, index=[0, 10, 20])
        >>> ends = pd.DataFrame({"a": [0.9, 0.6], "b": [0.3, 0.8]})
        >>> segments = pd.DataFrame({"segment": [0, 1], "start": [0, 10], "task": ["a", "b"]})
        >>> cora_zero_shot_transfer(ends, curves, segments).round(12).to_numpy().tolist()
        [[nan, 0.2], [nan, nan]]
    """
    before = ends.shift(1)
    if len(before):
        before.iloc[0] = initial_scores(curves, segments).reindex(ends.columns)
    met = first_positions(ends, segments)
    return (ends - before).where(np.arange(len(ends))[:, None] < met[None, :])
