"""Whether an agent still learns as well as it did: the outcome, beside which diagnostics stand."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats


class Slope(NamedTuple):
    """A line through values in order.

    Attributes:
        value: the Theil-Sen slope: the median over all pairs of points. Below 0, it gets worse.
        low: lower end of its 95 % interval.
        high: upper end.
        n: how many values it is of.
    """

    value: float
    low: float
    high: float
    n: int


def plasticity_slope(learned: pd.Series) -> Slope:
    """Return how much learning gets better or worse with each further segment.

    Where segments bring tasks of the same difficulty, a slope below 0 is a loss of plasticity
    (Theil-Sen's slope and Sen's interval, by scipy).

    Args:
        learned: how well each segment's task was learned, by (segment, task) or by segment: such as
            `segment_areas`, or `forward_transfer` relative to a fresh agent. NaN is left out.

    Returns:
        The slope a segment. NaN for fewer than 2 values, its interval for fewer than 3.

    Example:
        >>> round(plasticity_slope(pd.Series([0.9, 0.8, 0.7])).value, 12)
        -0.1
    """
    index = learned.index
    segment = index.get_level_values("segment") if isinstance(index, pd.MultiIndex) else index
    return _slope(segment.to_numpy(dtype=float), learned.to_numpy(dtype=float))


def repeated_task_slopes(learned: pd.Series) -> pd.DataFrame:
    """Return for each task that came again how much better or worse it was learned each time.

    Args:
        learned: how well it was learned, by (segment, task).

    Returns:
        By task that has at least 2 values: `value`, `low`, `high` and `n` of the slope for each
        time that the task is met.

    Example:
        >>> keys = pd.MultiIndex.from_tuples([(0, "a"), (1, "b"), (2, "a")])
        >>> learned = pd.Series([0.5, 0.9, 0.25], keys.set_names(["segment", "task"]))
        >>> repeated_task_slopes(learned)["value"].to_dict()
        {'a': -0.25}
    """
    rows = {}
    for task, values in learned.groupby(level="task", sort=False):
        slope = _slope(np.arange(len(values), dtype=float), values.to_numpy(dtype=float))
        if slope.n > 1:
            rows[task] = slope
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(Slope._fields))
    return table.rename_axis(index="task")


def _slope(x: np.ndarray, y: np.ndarray) -> Slope:
    known = ~np.isnan(y)
    n = int(known.sum())
    if n < 2:
        return Slope(np.nan, np.nan, np.nan, n)
    fit = stats.theilslopes(y[known], x[known])
    wide = n > 2
    return Slope(
        float(fit.slope),
        float(fit.low_slope) if wide else np.nan,
        float(fit.high_slope) if wide else np.nan,
        n,
    )
