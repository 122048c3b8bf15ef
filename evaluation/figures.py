"""Pictures of a run."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from .records import CONTEXT_PREFIX, STREAM_PREFIX, Record, context_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_RAW = "#9db7d1"
_SMOOTH = "#14487a"
_CHANGE = "#c2452d"
_CONTEXT = "#4d4d4d"
_MOST_CHANGES = 60


def draw_return(record: Record, file: str | Path) -> None:
    """Draw a run's episode returns over environment steps, with the stream's changes marked.

    Each episode is a dot where it ended; the line is their mean over a window, which never reaches
    across a mark. Below, a panel for each knob shows what the world was. Too many changes are not
    marked, and the panels show them. Where the copies of the world differ there is neither mark
    nor panel.

    Args:
        record: what the run wrote.
        file: the picture; its ending says the format, such as ".png".
    """
    context = {} if record.copies_differ else context_over_steps(record.iterations, record.changes)
    figure = Figure(figsize=(10, 4.6 + 1.1 * len(context)), dpi=140, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(
        1 + len(context),
        1,
        sharex=True,
        squeeze=False,
        height_ratios=[4.2] + [1.1] * len(context),
    )[:, 0]
    marked = record.n_changes <= _MOST_CHANGES
    _draw_episodes(panels[0], record, marked)
    sampled = "left_out" in record.changes and bool(record.changes["left_out"].any())
    for panel, (knob, values) in zip(panels[1:], context.items(), strict=True):
        _draw_context(panel, knob, values, sampled)
    changes = record.changes["step"].iloc[1:] if marked and record.n_changes else ()
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
        for step in changes:
            panel.axvline(step, color=_CHANGE, linewidth=1, linestyle=(0, (4, 3)), zorder=1.5)
    panels[-1].set_xlim(0, int(record.iterations["step"].iloc[-1]))
    apart = " (each copy of the world changes for itself)" if record.copies_differ else ""
    panels[-1].set_xlabel(f"environment steps{apart}")
    panels[-1].xaxis.set_major_formatter(EngFormatter(sep=""))
    panels[0].set_title(f"{record.stream}: {record.agent}, seed {record.seed}", loc="left")
    if not record.episodes.empty:
        figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize="small")
    figure.savefig(file)


def smooth(episodes: pd.DataFrame, segment: pd.Series, window: int) -> list[pd.DataFrame]:
    """Average returns over the last episodes, beginning afresh with each segment.

    Args:
        episodes: the table of episodes.
        segment: the segment in which each ended.
        window: how many episodes to average over.

    Returns:
        One table a segment in which episodes ended, with the columns `step` and `return`.

    Example:
        >>> episodes = pd.DataFrame({"step": [1, 2, 3], "return": [0.0, 2.0, 9.0]})
        >>> [part["return"].tolist() for part in smooth(episodes, pd.Series([0, 0, 1]), window=2)]
        [[0.0, 1.0], [9.0]]
    """
    averaged = episodes[["step", "return"]].copy()
    averaged["return"] = (
        episodes["return"]
        .groupby(segment)
        .transform(lambda returns: returns.rolling(window, min_periods=window // 5).mean())
    )
    return [rows for _, rows in averaged.dropna().groupby(segment)]


def context_over_steps(
    iterations: pd.DataFrame, changes: pd.DataFrame
) -> dict[str, list[tuple[float, float]]]:
    """Return each knob's value over environment steps, where it was written down.

    Args:
        iterations: the table of iterations.
        changes: the table of changes.

    Returns:
        By knob, (step, value) pairs in order.

    Example:
        >>> changes = pd.DataFrame({"step": [0, 3], "context/wind": [1.0, 2.0]})
        >>> context_over_steps(pd.DataFrame({"step": [5], "stream/wind": [2.0]}), changes)
        {'wind': [(0, 1.0), (3, 2.0), (5, 2.0)]}
    """
    points = {}
    for name in context_columns(changes):
        knob = name.removeprefix(CONTEXT_PREFIX)
        # Within a segment a knob may drift, and then each iteration tells.
        moved = zip(iterations["step"], iterations[STREAM_PREFIX + knob], strict=True)
        points[knob] = sorted({*zip(changes["step"], changes[name], strict=True), *moved})
    return points


def _draw_episodes(panel: Axes, record: Record, marked: bool) -> None:
    episodes = record.episodes
    panel.set_ylabel("episode return")
    panel.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    panel.set_axisbelow(True)
    if episodes.empty:
        panel.text(
            0.5, 0.5, "no episode ended", transform=panel.transAxes, ha="center", color=_CONTEXT
        )
        return
    size = float(np.clip(4000 / len(episodes), 3, 14))
    panel.scatter(
        episodes["step"], episodes["return"], s=size, color=_RAW, linewidths=0, label="episode"
    )
    window = max(10, len(episodes) // 100)
    segment = episodes["segment"] if marked and record.n_changes else pd.Series(0, episodes.index)
    for i, part in enumerate(smooth(episodes, segment, window)):
        label = f"mean of {window} episodes" if i == 0 else None
        panel.plot(part["step"], part["return"], color=_SMOOTH, linewidth=2, label=label)
    if marked and record.n_changes:
        panel.plot([], [], color=_CHANGE, linewidth=1, linestyle=(0, (4, 3)), label="change")


def _draw_context(panel: Axes, knob: str, points: list[tuple[float, float]], sampled: bool) -> None:
    """Draw a knob's values; as dots where it is unknown what came between them."""
    steps, values = np.array(points).T
    panel.set_ylabel(knob)
    if values.min() > 0 and values.max() >= 5 * values.min():
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter("{x:g}")
    panel.margins(y=0.3)
    if sampled:
        panel.plot(steps, values, ".", color=_CONTEXT, markersize=6)
        return
    panel.step(steps, values, where="post", color=_CONTEXT, linewidth=1.6)
    turns = np.flatnonzero(np.diff(values, prepend=np.nan))
    for start, end in pairwise([*steps[turns], steps[-1]]):
        if end - start > 0.05 * steps[-1]:
            value = values[np.searchsorted(steps, start)]
            panel.annotate(
                f"{value:.3g}", ((start + end) / 2, value), (0, 4), textcoords="offset points",
                ha="center", fontsize="small", color=_CONTEXT,
            )  # fmt: skip
