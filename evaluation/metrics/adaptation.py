"""What each change costs, and how long it takes to get over it.

Rewards are those of evaluations or episodes, one value a moment; a reference is what an agent that
knows the context would get there. A reference must not be the run's own best: that hides regret.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats


class Recovery(NamedTuple):
    """How long it took to recover from a change.

    Attributes:
        time: until the level was reached, or until nobody looked any more.
        recovered: whether it was; if not, the time is a lower bound (censored).
    """

    time: float
    recovered: bool


def recovery_level(reference: float, floor: float = 0.0, share: float = 0.9) -> float:
    """Return the score that counts as recovered: reference - (1 - share) (reference - floor).

    With a floor of 0 it is a share of the reference, which means nothing for a reference below 0.

    Args:
        reference: what can be reached: the level before the change, or an expert's.
        floor: what is reached without learning: a random policy's score, below the reference.
        share: of the way from floor to reference, in (0, 1].

    Example:
        >>> recovery_level(-100.0, floor=-300.0)
        -120.0
    """
    return reference - (1.0 - share) * (reference - floor)


def time_to_recover(
    rewards: ArrayLike, level: float, times: ArrayLike | None = None, hold: int = 1
) -> Recovery:
    """Return when rewards after a change first reach a level and stay there.

    Args:
        rewards: after the change, up to the next one, (n,).
        level: from `recovery_level`.
        times: of the rewards, counted from the change; None for their positions 0, 1, 2 ...
        hold: how many in a row must reach it, at least 1.

    Returns:
        The time of the first of them; if there are none, the end, not recovered. The end is the
        last time, or the number of rewards where times are positions. NaN without rewards.

    Example:
        >>> time_to_recover([4, 10, 16, 19, 20], level=18.0)
        Recovery(time=3.0, recovered=True)
        >>> time_to_recover([4, 10], level=18.0)
        Recovery(time=2.0, recovered=False)
    """
    values = np.asarray(rewards, dtype=float)
    when = np.arange(len(values)) if times is None else np.asarray(times)
    if not len(values):
        return Recovery(float("nan"), False)
    reached = pd.Series(values >= level).rolling(hold).sum().to_numpy() == hold
    if reached.any():
        return Recovery(float(when[reached.argmax() - hold + 1]), True)
    return Recovery(float(len(values) if times is None else when[-1]), False)


def recovery_curve(times: ArrayLike, recovered: ArrayLike) -> pd.Series:
    """Return the share of changes that had not been recovered from, by the time since.

    Kaplan and Meier (1958): changes not recovered from count as long as they were watched.

    Args:
        times: a time for each change, from `time_to_recover`; NaN is left out.
        recovered: whether each was reached, or was cut off.

    Returns:
        By time since the change, from 1 at time 0 down.

    Example:
        >>> recovery_curve([1.0, 2.0, 3.0], [True, False, True]).round(3).to_dict()
        {0.0: 1.0, 1.0: 0.667, 2.0: 0.667, 3.0: 0.0}
    """
    when, done = np.asarray(times, dtype=float), np.asarray(recovered, dtype=bool)
    when, done = when[~np.isnan(when)], done[~np.isnan(when)]
    if not len(when):
        return pd.Series(dtype=float)
    survival = stats.ecdf(stats.CensoredData(when[done], right=when[~done])).sf
    at_zero = survival.quantiles[0] == 0
    quantiles = survival.quantiles if at_zero else np.append(0.0, survival.quantiles)
    shares = survival.probabilities if at_zero else np.append(1.0, survival.probabilities)
    return pd.Series(shares, pd.Index(quantiles, name="time"))


def restricted_mean_recovery_time(times: ArrayLike, recovered: ArrayLike, horizon: float) -> float:
    """Return the mean time to recover, where none counts for more than a horizon.

    The area under `recovery_curve` up to the horizon: changes that were not recovered from are
    neither dropped nor taken as recovered.

    Args:
        times: a time for each change, from `time_to_recover`; NaN is left out.
        recovered: whether each was reached, or was cut off.
        horizon: such as the segments' length; at most the longest time watched is known.

    Returns:
        NaN where there is no time, or where nobody watched as long as the horizon and some had not
        recovered by then.

    Example:
        >>> restricted_mean_recovery_time([1.0, 2.0, 5.0], [True, True, False], horizon=5.0)
        2.6666666666666665
    """
    curve = recovery_curve(times, recovered)
    if curve.empty or (curve.index[-1] < horizon and curve.iloc[-1] > 0):
        return float("nan")
    inside = curve[curve.index < horizon]
    lengths = np.diff(np.append(inside.index.to_numpy(), horizon))
    return float((inside.to_numpy() * lengths).sum())


def area_lost(
    rewards: ArrayLike, reference: ArrayLike, floor: float | None = None, widths: ArrayLike = 1.0
) -> float:
    """Return what was lost below a reference after a change: sum of max(0, reference - reward).

    Args:
        rewards: after the change, up to the next one, (n,); NaN is left out.
        reference: one, or one a reward.
        floor: what is reached without learning. If given, the area is divided by that between floor
            and reference: 0 for nothing lost, 1 for a policy that stays at the floor.
        widths: how long each reward stands for, one or (n,).

    Returns:
        NaN without rewards, or where reference and floor are the same.

    Example:
        >>> area_lost([4, 10, 16, 19, 20], reference=20)
        31.0
        >>> area_lost([4, 10, 16, 19, 20], reference=20, floor=0)
        0.31
    """
    values, best, width = np.broadcast_arrays(
        np.asarray(rewards, dtype=float), np.asarray(reference, dtype=float), widths
    )
    known = ~np.isnan(values)
    if not known.any():
        return float("nan")
    lost = float((np.maximum(0.0, best - values) * width)[known].sum())
    if floor is None:
        return lost
    whole = float(((best - floor) * width)[known].sum())
    return lost / whole if whole else float("nan")


def drop_depth(before: float, rewards: ArrayLike, first: int | None = None) -> float:
    """Return how far rewards fell below the level before the change.

    Args:
        before: the level.
        rewards: after the change, (n,); NaN is left out.
        first: how many of them to look at; None for all.

    Returns:
        Below 0 where all were better than before; NaN without rewards.

    Example:
        >>> drop_depth(10.0, [4, 10, 16])
        6.0
    """
    values = np.asarray(rewards, dtype=float)[:first]
    return before - float(np.nanmin(values)) if (~np.isnan(values)).any() else float("nan")


def steady_state_gap(rewards: ArrayLike, reference: float, share: float = 0.1) -> float:
    """Return how far below a reference the last rewards of a segment are.

    Args:
        rewards: of the segment, (n,).
        reference: what can be reached there.
        share: of the rewards that count as last, at least one does.

    Returns:
        NaN without rewards.

    Example:
        >>> steady_state_gap([4, 10, 16, 19, 19], reference=20.0)
        1.0
    """
    values = np.asarray(rewards, dtype=float)
    if not len(values):
        return float("nan")
    first = min(int((1 - share) * len(values)), len(values) - 1)
    return reference - float(values[first:].mean())
