"""How far performance falls on the way, also where it has come back by the end.

De Lange et al., "Continual evaluation for lifelong learning: identifying the stability gap" (ICLR
2023), whose "accuracy" is any score here. It takes evaluations far more often than changes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .curves import in_segments


def minimum_since_training(
    curves: pd.DataFrame, segments: pd.DataFrame, restart: bool = True
) -> pd.DataFrame:
    """Return each learned task's lowest score after its training ended.

    m_i(t) = min over |T_i| < n <= t of A_i(n), where |T_i| is the end of the task's training.

    Args:
        curves: scores by step and task.
        segments: `start`, `end` and the trained `task`.
        restart: whether a task that is trained again begins afresh when that has ended; else its
            lowest score since the first training is kept.

    Returns:
        By step and task: NaN before the end of a task's first segment, and with `restart` while it
        is trained again.

    Example:
        >>> curves = pd.DataFrame({"a": [0.9, 0.4, 0.6]}, index=[100, 150, 200])
        >>> rows = {"start": [0, 100], "end": [100, 200], "task": ["a", "b"]}
        >>> minimum_since_training(curves, pd.DataFrame(rows))["a"].tolist()
        [nan, 0.4, 0.4]
    """
    steps = curves.index.to_numpy()
    result = pd.DataFrame(np.nan, curves.index, curves.columns)
    for task in curves:
        own = segments[segments["task"] == task]
        for i, end in enumerate(own["end"]):
            more = i + 1 < len(own)
            if not restart and i:
                break
            until = own["start"].iloc[i + 1] if restart and more else np.inf
            rows = (steps > end) & (steps <= until)
            result.loc[rows, task] = curves.loc[rows, task].cummin().ffill()
    return result


def worst_case(curves: pd.DataFrame, segments: pd.DataFrame) -> pd.DataFrame:
    """Return min-ACC and WC-ACC at each evaluation.

    With the k-th task in training, min-ACC = 1/(k-1) sum_{i<k} m_i and WC-ACC = 1/k A_k + (1 - 1/k)
    min-ACC, from `minimum_since_training`; for k = 1, WC-ACC is A_1.

    Args:
        curves: scores by step and task.
        segments: `start`, `end` and the trained `task`.

    Returns:
        By step: `task` in training, `min_acc`, `wc_acc`, and `n_previous`, how many earlier tasks
        there are. NaN where there is none, or where one of them was not evaluated.

    Example:
        >>> curves = pd.DataFrame({"a": [0.9, 0.4], "b": [0.0, 0.7]}, index=[100, 150])
        >>> rows = {"start": [0, 100], "end": [100, 200], "task": ["a", "b"]}
        >>> worst_case(curves, pd.DataFrame(rows))["wc_acc"].round(2).tolist()
        [0.9, 0.55]
    """
    lowest = minimum_since_training(curves, segments)
    tasks = segments["task"].tolist()
    rows = []
    for i, place in enumerate(in_segments(curves, segments)):
        task = tasks[place] if place >= 0 else None
        previous = [t for t in dict.fromkeys(tasks[: max(place, 0)]) if t != task]
        known = lowest.iloc[i].reindex(previous)
        min_acc = float(known.mean(skipna=False)) if previous else float("nan")
        own = float(curves.iloc[i].get(task, np.nan))
        k = len(previous) + 1
        wc_acc = own if k == 1 else own / k + (1 - 1 / k) * min_acc
        rows.append((task, min_acc, wc_acc, len(previous)))
    return pd.DataFrame(rows, curves.index, ["task", "min_acc", "wc_acc", "n_previous"])


def windowed_forgetting(curve: ArrayLike, window: int) -> float:
    """Return the largest fall of a score within any window: WF^w of one task.

    max over n of max over m < n, both in the same w evaluations, of A(m) - A(n).

    Args:
        curve: scores in the order of time, (n,); NaN is left out.
        window: w, evaluations, at least 2; 10 and 100 in the paper's code. It should hold several
            evaluations, and the value should be read beside `noise_floor`.

    Returns:
        At least 0; NaN where there is no score.

    Example:
        >>> windowed_forgetting([1.0, 0.75, 0.25, 0.5], window=2)
        0.5
    """
    scores = pd.Series(np.asarray(curve, dtype=float))
    if scores.isna().all():
        return float("nan")
    return float((scores.rolling(window, min_periods=1).max() - scores).max())


def windowed_plasticity(curve: ArrayLike, window: int) -> float:
    """Return the largest rise of a score within any window: WP^w of one task.

    The paper's definition; the published helper leaves out values below the window's highest so
    far, and finds 0.1 in place of 0.4 in the scores 0.5, 0.2, 0.6.

    Args:
        curve: scores in the order of time, (n,); NaN is left out.
        window: w, evaluations, at least 2.

    Returns:
        At least 0; NaN where there is no score.

    Example:
        >>> round(windowed_plasticity([0.5, 0.2, 0.6], window=3), 12)
        0.4
    """
    return windowed_forgetting(-np.asarray(curve, dtype=float), window)


def noise_floor(deviation: float, n: int, window: int) -> float:
    """Return the WF and WP of a policy that never changes, from the noise of evaluations alone.

    Simulated: the mean over 2,000 tasks whose evaluations are independent and normal.

    Args:
        deviation: standard deviation of one evaluation, from `evaluation_noise`.
        n: evaluations of the run.
        window: w, evaluations.

    Example:
        >>> 4.6 < noise_floor(1.0, n=200, window=10) < 4.8
        True
    """
    return deviation * _unit_floor(n, window)


def evaluation_noise(evaluations: pd.DataFrame, score: str = "return") -> pd.Series:
    """Return the standard deviation of one evaluation's mean, by task.

    It is the standard error of the mean over episodes, as a root mean square over evaluations.

    Args:
        evaluations: the table of evaluations: `step`, `task`, and a row an episode.
        score: the column to look at.

    Returns:
        By task; NaN where no evaluation had two episodes.

    Example:
        >>> rows = {"step": [0, 0], "task": ["a", "a"], "return": [1.0, 3.0]}
        >>> evaluation_noise(pd.DataFrame(rows)).to_dict()
        {'a': 1.0}
    """
    groups = evaluations.groupby(["task", "step"])[score]
    squared = groups.var() / groups.count()
    return np.sqrt(squared.groupby("task").mean()).rename(None)


@lru_cache(maxsize=64)
def _unit_floor(n: int, window: int) -> float:
    scores = pd.DataFrame(np.random.default_rng(0).normal(size=(n, 2000)))
    return float((scores.rolling(window, min_periods=1).max() - scores).max().mean())
