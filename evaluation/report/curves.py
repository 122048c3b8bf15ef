"""Curves of several runs on common steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..statistics.bootstrap import bootstrap
from .collect import Group, Run

POINTS = 120
"""Steps at which curves are compared."""

_RETURNS = ("continual/return", "rollout/ep_rew_mean")
_RESAMPLES = 2000


class Curves(NamedTuple):
    """Curves of several runs on common steps.

    Attributes:
        steps: (n,).
        values: (runs, n); NaN where a run has no value yet, or ended before.
        mean: (n,), NaN where a run is missing.
        low: lower end of its interval, (n,).
        high: upper end.
        method: how the interval was made, in words.
    """

    steps: np.ndarray
    values: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    method: str


def grid(groups: Sequence[Group]) -> np.ndarray:
    """Return the steps at which runs of one stream are compared.

    Args:
        groups: of the stream.
    """
    longest = max((run.steps for group in groups for run in group.runs), default=0)
    return np.linspace(longest / POINTS, longest, POINTS)


def curves_of(runs: Sequence[Run], tag: str | None, steps: np.ndarray) -> Curves | None:
    """Return a tag's curves; each value is the mean since the step before.

    Args:
        runs: of one group.
        tag: a column of the iterations; None for the return of training.
        steps: from `grid`.

    Returns:
        None where no run has the tag.
    """
    rows = []
    for run in runs:
        table = run.record.iterations
        names = [name for name in ((tag,) if tag else _RETURNS) if name in table]
        if names:
            known = table[["step", names[0]]].dropna()
            rows.append(binned(known["step"], known[names[0]], steps))
    return with_interval(np.array(rows), steps) if rows else None


def binned(at: pd.Series, values: pd.Series, steps: np.ndarray) -> np.ndarray:
    """Average values between steps; where there are none, a line leads to the next.

    Args:
        at: steps of the values, rising.
        values: as many.
        steps: upper ends of the bins.

    Returns:
        (n,); NaN before the first value and after the last.

    Example:
        >>> binned(pd.Series([1, 2, 9]), pd.Series([1.0, 3.0, 5.0]), np.array([4, 8, 12])).tolist()
        [2.0, 3.5, 5.0]
    """
    place = np.searchsorted(steps, np.asarray(at, dtype=float))
    means = pd.Series(np.asarray(values, dtype=float)).groupby(place).mean()
    row = means.reindex(range(len(steps)))
    return row.interpolate(limit_area="inside").to_numpy()


def evaluation_curves_of(runs: Sequence[Run], task: str | None, steps: np.ndarray) -> Curves | None:
    """Return a task's scores in evaluations, or the mean over all tasks.

    Args:
        runs: of one group.
        task: its name; None for the mean over tasks.
        steps: from `grid`.
    """
    rows = []
    for run in runs:
        curves = run.metrics.curves
        if curves.empty or (task is not None and task not in curves):
            continue
        curve = (curves.mean(axis=1, skipna=False) if task is None else curves[task]).dropna()
        place = np.searchsorted(curve.index.to_numpy(), steps, side="right") - 1
        end = np.append(curve.to_numpy(), np.nan)
        row = np.where(steps <= run.steps, end[place], np.nan)
        rows.append(row)
    return with_interval(np.array(rows), steps) if rows else None


def with_interval(values: np.ndarray, steps: np.ndarray) -> Curves:
    """Average curves, and say how sure the mean is where all runs have a value.

    Args:
        values: (runs, n).
        steps: (n,).
    """
    everyone = ~np.isnan(values).any(axis=0)
    mean, low, high = (np.full(len(steps), np.nan) for _ in range(3))
    method = "no interval"
    if everyone.any():
        found = bootstrap(
            lambda table: table.mean(axis=-2), values[:, everyone], n_resamples=_RESAMPLES
        )
        mean[everyone], low[everyone], high[everyone] = found.value, found.low, found.high
        method = found.method
    return Curves(steps, values, mean, low, high, method)
