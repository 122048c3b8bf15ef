"""What changes of the stream do to runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..metrics.adaptation import recovery_level, time_to_recover
from ..reference_returns import find_reference
from .collect import Run

HOLD = 5
"""A return counts as recovered if it stays there for so many episodes."""


def recoveries(run: Run, floor: float | None) -> pd.DataFrame:
    """Return how long a run took to get over each change of its stream.

    Recovered is a return of at least nine tenths of the way from the floor to the level before,
    which is the mean of the last tenth of the segment before, over several episodes in a row.

    Args:
        run: the run.
        floor: the return of random actions; None for the lowest that this run ever had.

    Returns:
        A row a change: `segment`, `time` (steps) and `recovered`.
    """
    episodes, segments = run.record.episodes, run.record.segments()
    rows: list[dict[str, Any]] = []
    if len(episodes) and len(segments) > 1:
        lowest = float(episodes["return"].min()) if floor is None else floor
        for before, after in zip(
            segments.itertuples(), segments.iloc[1:].itertuples(), strict=False
        ):
            opens = before.end - 0.1 * (before.end - before.start)
            level = episodes["return"][episodes["step"].between(opens, before.end)].mean()
            since = episodes[(episodes["step"] > after.start) & (episodes["step"] <= after.end)]
            if np.isnan(level) or since.empty or level <= lowest:
                continue
            smooth = since["return"].rolling(HOLD, min_periods=1).mean()
            times = since["step"] - after.start
            found = time_to_recover(smooth, recovery_level(float(level), lowest), times, HOLD)
            rows.append({"segment": after.segment, **found._asdict()})
    return pd.DataFrame(rows, columns=["segment", "time", "recovered"])


def random_return(run: Run) -> float | None:
    """Return what random actions bring in a run's world, where it is known and the only one.

    Args:
        run: the run.
    """
    stream = run.record.config.get("stream", {})
    worlds = stream.get("worlds", [])
    if len(worlds) != 1:
        return None
    knobs = [change.get("knob", "") for change in stream.get("changes", [])]
    reference = find_reference(worlds[0], stream.get("world_settings") or {}, knobs)
    return None if reference is None else reference.random


def aligned_returns(run: Run, offsets: np.ndarray) -> np.ndarray | None:
    """Return a run's mean return around the changes of its stream.

    Args:
        run: the run.
        offsets: edges of bins of steps relative to the change, (n + 1,).

    Returns:
        (n,), or None where the stream did not change. Bins that reach into other segments do not
        count what is there.
    """
    episodes, segments = run.record.episodes, run.record.segments()
    if len(segments) < 2 or episodes.empty:
        return None
    rows = []
    for before, after in zip(segments.itertuples(), segments.iloc[1:].itertuples(), strict=False):
        near = episodes[(episodes["step"] > before.start) & (episodes["step"] <= after.end)]
        place = np.searchsorted(offsets, near["step"] - after.start, side="left") - 1
        means = near["return"].groupby(place).mean().reindex(range(len(offsets) - 1))
        rows.append(means.to_numpy())
    counts = (~np.isnan(rows)).sum(axis=0)
    return np.where(counts > 0, np.nansum(rows, axis=0) / np.maximum(counts, 1), np.nan)
