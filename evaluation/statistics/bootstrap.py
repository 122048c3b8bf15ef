"""How far a number of several runs would move with other runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from .aggregates import performance_profile

LEAST_RUNS = 3
"""With fewer runs than this there is no interval."""

_BATCH = 500


class Interval(NamedTuple):
    """A number and the interval around it.

    Attributes:
        value: of the runs as they are.
        low: lower end; NaN where there are too few runs.
        high: upper end.
        n: runs; of several groups, those of the smallest.
        method: how the interval was made, in words for a caption.
    """

    value: Any
    low: Any
    high: Any
    n: int
    method: str


def bootstrap(
    statistic: Callable[..., np.ndarray],
    *groups: ArrayLike,
    resample: Literal["runs", "tasks"] = "runs",
    confidence: float = 0.95,
    n_resamples: int = 5000,
    seed: int = 0,
) -> Interval:
    """Return a percentile bootstrap interval of a statistic.

    The groups, such as two agents, are resampled independently of one another. Agarwal et al.
    (NeurIPS 2021), and rliable, resample the runs of each task for itself; where the tasks of a run
    depend on one another, as in one lifetime, that makes intervals too narrow, and whole runs are
    the default here.

    Args:
        statistic: takes a table (..., runs, tasks) for each group, and returns a number for each of
            the batch, (...), or some, (..., k).
        groups: scores, (runs, tasks); tasks may differ between groups.
        resample: "runs" whole, or the runs of each task for itself ("tasks").
        confidence: from 0 to 1.
        n_resamples: how many tables are drawn.
        seed: of the draws: the same seed gives the same interval.

    Returns:
        The interval; without ends for fewer than 3 runs in any group, or scores that are NaN.

    Example:
        >>> from everlearn.evaluation.statistics.aggregates import interquartile_mean
        >>> scores = np.arange(20.0).reshape(10, 2)
        >>> bootstrap(interquartile_mean, scores).value.item()
        9.5
    """
    tables = [np.asarray(group, dtype=float) for group in groups]
    n = min(len(table) for table in tables)
    value = statistic(*tables)
    nothing = np.full(np.shape(value), np.nan)
    if n < LEAST_RUNS or any(np.isnan(table).any() for table in tables):
        return Interval(value, nothing, nothing, n, "no interval")
    drawn = stats.bootstrap(
        _indices(tables, resample),
        lambda *chosen, axis: _computed(statistic, tables, resample, chosen),
        n_resamples=n_resamples,
        batch=_BATCH,
        vectorized=True,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    unit = "whole runs" if resample == "runs" else "runs of each task"
    method = f"{confidence:.0%} percentile bootstrap of {unit}, {n_resamples:,} resamples"
    return Interval(value, drawn.low, drawn.high, n, method)


def profile_with_band(
    scores: ArrayLike, thresholds: ArrayLike, n_resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Return a performance profile with its pointwise interval.

    Args:
        scores: (runs, tasks).
        thresholds: (n,).
        n_resamples: how many tables are drawn.
        seed: of the draws.

    Returns:
        The columns `threshold`, `share`, `low` and `high`.

    Example:
        >>> profile_with_band([[0.1], [0.4], [0.6]], [0.5])["share"].round(3).tolist()
        [0.333]
    """
    limits = np.asarray(thresholds, dtype=float)
    found = bootstrap(
        lambda table: performance_profile(table, limits),
        scores,
        n_resamples=n_resamples,
        seed=seed,
    )
    columns = {"threshold": limits, "share": found.value, "low": found.low, "high": found.high}
    return pd.DataFrame(columns)


def _indices(tables: list[np.ndarray], resample: str) -> tuple[np.ndarray, ...]:
    """Return what scipy is to draw from: positions of runs, once a table or once a task of it."""
    times = [1 if resample == "runs" else table.shape[1] for table in tables]
    return tuple(
        np.arange(len(table)) for table, n in zip(tables, times, strict=True) for _ in range(n)
    )


def _computed(
    statistic: Callable[..., np.ndarray],
    tables: list[np.ndarray],
    resample: str,
    chosen: tuple[np.ndarray, ...],
) -> np.ndarray:
    resampled = []
    position = 0
    for table in tables:
        if resample == "runs":
            resampled.append(table[chosen[position]])
            position += 1
        else:
            columns = chosen[position : position + table.shape[1]]
            resampled.append(np.stack([c[i] for c, i in zip(table.T, columns, strict=True)], -1))
            position += table.shape[1]
    values = statistic(*resampled)
    # scipy wants the draws last.
    return np.moveaxis(values, 0, -1) if chosen[0].ndim > 1 else values
