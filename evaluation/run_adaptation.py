"""What each change cost a run, from its episodes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from .metrics.adaptation import (
    area_lost,
    drop_depth,
    recovery_level,
    steady_state_gap,
    time_to_recover,
)
from .records import Record
from .run_metrics import read_evaluations, task_segments

COLUMNS = [
    "segment",
    "task",
    "episodes",
    "reference",
    "time_to_recover",
    "recovered",
    "area_lost",
    "drop_depth",
    "steady_state_gap",
]
"""The columns of `run_adaptation`."""


def run_adaptation(
    record: Record,
    references: Mapping[str, float] | None = None,
    floors: Mapping[str, float] | None = None,
    share: float = 0.9,
    window: int = 10,
) -> pd.DataFrame:
    """Measure each change of a run by the episodes lived wholly between two changes.

    Args:
        record: the run.
        references: by task, the return that can be reached there; tasks without one are compared
            with the level before the change, the mean of the last tenth of episodes.
        floors: by task, a random policy's return. Without one it is 0, and there is no time to
            recover and no area lost for references that are not above 0.
        share: of the way from floor to reference that counts as recovered.
        window: how many episodes returns are averaged over, within the segment.

    Returns:
        A row for each segment but the first: `segment`, `task`, `episodes`, `reference`,
        `time_to_recover` (environment steps since the change; where `recovered` is false, until the
        last episode), `area_lost` (as a share of that between floor and reference), `drop_depth`
        (below the level before the change) and `steady_state_gap` (to the reference, of the last
        tenth). NaN where there were no episodes to tell.
    """
    segments = task_segments(record, read_evaluations(record))
    lived = record.episode_segments()
    rows = []
    before = float("nan")
    for position, segment in enumerate(segments.itertuples()):
        episodes = record.episodes[lived == segment.segment]
        if position:
            reference = (references or {}).get(segment.task, before)
            floor = (floors or {}).get(segment.task, 0.0)
            told = _measure(episodes, segment.start, before, reference, floor, share, window)
            rows.append((segment.segment, segment.task, len(episodes), reference, *told))
        # The level of a segment without episodes is not known, and nothing is compared with it.
        before = -steady_state_gap(episodes["return"], 0.0)
    return pd.DataFrame(rows, columns=COLUMNS)


def _measure(
    episodes: pd.DataFrame,
    start: int,
    before: float,
    reference: float,
    floor: float,
    share: float,
    window: int,
) -> tuple[float, bool, float, float, float]:
    smooth = episodes["return"].rolling(window, min_periods=min(window, 3)).mean()
    drop = drop_depth(before, smooth)
    gap = steady_state_gap(episodes["return"], reference)
    if not reference > floor:
        return float("nan"), False, float("nan"), drop, gap
    since = episodes["step"].to_numpy() - start
    recovery = time_to_recover(smooth, recovery_level(reference, floor, share), since)
    lost = area_lost(episodes["return"], reference, floor, np.asarray(episodes["length"]))
    return recovery.time, recovery.recovered, lost, drop, gap
