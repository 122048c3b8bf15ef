"""Figures around the changes of a stream."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ..metrics.adaptation import recovery_curve, restricted_mean_recovery_time
from .changes import aligned_returns, random_return, recoveries
from .collect import Group, StreamRuns
from .curves import Curves, with_interval
from .drawing import Picture, draw_curves, legend_below, new_figure, steps_axis, style
from .figures_curves import counted

_BINS = 24


def draw_changes(stream: StreamRuns) -> Iterator[Picture]:
    """Draw what happens around changes.

    Args:
        stream: its runs.
    """
    yield from _aligned(stream)
    yield from _recovery(stream)


def recovery_table(group: Group) -> pd.DataFrame:
    """Return how long the runs of a group took to get over each change.

    Args:
        group: the runs.

    Returns:
        `seed`, `segment`, `time` and `recovered`.
    """
    parts = [recoveries(run, random_return(run)).assign(seed=run.record.seed) for run in group.runs]
    known = [part for part in parts if len(part)]
    return pd.concat(known, ignore_index=True) if known else pd.DataFrame(
        columns=["seed", "segment", "time", "recovered"]
    )  # fmt: skip


def _aligned(stream: StreamRuns) -> Iterator[Picture]:
    segments = [run.metrics.segments for group in stream.groups for run in group.runs]
    lengths = [float(n) for one in segments for n in (one["end"] - one["start"]).iloc[:-1]]
    if not lengths:
        return
    reach = float(np.median(lengths))
    offsets = np.linspace(-reach / 2, reach, _BINS + 1)
    centres = (offsets[1:] + offsets[:-1]) / 2
    figure, (axes,) = new_figure(6.4, 3.7)
    told: list[tuple[str, Curves]] = []
    changes = 0
    for position, group in enumerate(stream.groups):
        rows = [row for run in group.runs if (row := aligned_returns(run, offsets)) is not None]
        changes += sum(len(run.metrics.segments) - 1 for run in group.runs)
        if rows:
            curves = with_interval(np.array(rows), centres)
            draw_curves(axes, curves, group.label, position)
            told.append((group.label, curves))
    if not told:
        return
    axes.axvline(0, color="#c2452d", lw=1, linestyle="--")
    axes.set_ylabel("episode return")
    steps_axis(axes, "steps since the change")
    legend_below(figure, [group.label for group in stream.groups])
    caption = (
        f"Return of training's episodes around changes, by the step at which they ended: mean over "
        f"{changes} changes in all runs, first within each run. {counted(told)}"
    )
    yield Picture("aligned", "Return around changes", caption, figure)


def _recovery(stream: StreamRuns) -> Iterator[Picture]:
    tables = {group.label: recovery_table(group) for group in stream.groups}
    changes = {
        group.label: sum(max(len(run.metrics.segments) - 1, 0) for run in group.runs)
        for group in stream.groups
    }
    if not any(len(table) for table in tables.values()):
        return
    figure, (axes,) = new_figure(6.4, 3.7)
    told = []
    for position, (label, table) in enumerate(tables.items()):
        if table.empty:
            told.append(f"{label}: none of {changes[label]} changes could be measured")
            continue
        recovered = table["recovered"].astype(bool)
        curve = recovery_curve(table["time"], recovered)
        colour, line = style(position)
        horizon = float(table["time"].max())
        at, shares = np.append(curve.index, horizon), np.append(curve, curve.iloc[-1])
        axes.step(at, shares, where="post", color=colour, linestyle=line, lw=1.8)
        mean = restricted_mean_recovery_time(table["time"], recovered, horizon)
        told.append(
            f"{label}: {recovered.sum()} of {len(table)} changes recovered from "
            f"in {table['seed'].nunique()} runs ({changes[label] - len(table)} more could not be "
            f"measured), restricted mean {mean:,.0f} steps up to "
            f"{horizon:,.0f}"
        )
    axes.set_ylim(-0.02, 1.05)
    axes.set_ylabel("share not yet recovered")
    steps_axis(axes, "steps since the change")
    legend_below(figure, list(tables))
    caption = (
        "Kaplan-Meier curve of the time until the return, as mean of 5 episodes, is back at nine "
        "tenths of the way from random actions (where not known, the run's lowest return) to its "
        "mean in the last tenth of the segment before, and stays for 5 episodes. A change with no "
        "episodes on one of its sides, or no return above the floor before it, cannot be measured; "
        "changes never recovered from count as long as they were watched. "
        f"{'; '.join(told)}. No interval: the changes of a run depend on one another."
    )
    yield Picture("recovery", "Recovery from changes", caption, figure)
