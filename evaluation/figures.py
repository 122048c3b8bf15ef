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

from .records import STREAM_PREFIX, Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_RAW = "#9db7d1"
_SMOOTH = "#14487a"
_CHANGE = "#c2452d"
_CONTEXT = "#4d4d4d"
_MOST_CHANGES = 60


def draw_return(record: Record, file: str | Path) -> None:
    """Draw a run's episode returns over environment steps, with the stream's changes marked.

    Each episode is a dot; the line is their mean over a window, which never reaches across a
    change. Below, a panel for each knob shows what the world was.

    Args:
        record: what the run wrote.
        file: the picture; its ending says the format, such as ".png".
    """
    segments = record.segments()
    context = context_over_steps(record.iterations, segments)
    figure = Figure(figsize=(10, 4.6 + 1.1 * len(context)), dpi=140, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(
        1 + len(context),
        1,
        sharex=True,
        squeeze=False,
        height_ratios=[4.2] + [1.1] * len(context),
    )[:, 0]
    _draw_episodes(panels[0], record, segments)
    for panel, (knob, values) in zip(panels[1:], context.items(), strict=True):
        _draw_context(panel, knob, values)
    changes = [start for start in segments["start"] if start > 0]
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
        for step in changes if len(changes) <= _MOST_CHANGES else ():
            panel.axvline(step, color=_CHANGE, linewidth=1, linestyle=(0, (4, 3)), zorder=1.5)
    last = int(record.iterations["step"].iloc[-1])
    panels[-1].set_xlim(0, last)
    panels[-1].set_xlabel("environment steps")
    panels[-1].xaxis.set_major_formatter(EngFormatter(sep=""))
    panels[0].set_title(f"{record.stream}: {record.agent}, seed {record.seed}", loc="left")
    if not record.episodes.empty:
        figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize="small")
    figure.savefig(file)


def smooth(episodes: pd.DataFrame, window: int) -> list[pd.DataFrame]:
    """Average returns over the last episodes, beginning afresh with each segment.

    Args:
        episodes: the table of episodes.
        window: how many episodes to average over.

    Returns:
        One table a segment in which episodes ended, with the columns `step` and `return`; one
        for all where there are too many segments to tell apart, or the world has none.

    Example:
        >>> rows = {"step": [1, 2, 3], "return": [0.0, 2.0, 9.0], "segment": [0, 0, 1]}
        >>> [part["return"].tolist() for part in smooth(pd.DataFrame(rows), window=2)]
        [[0.0, 1.0], [9.0]]
    """
    segment = episodes["segment"].fillna(0)
    if segment.nunique() > _MOST_CHANGES:
        segment = segment * 0
    averaged = episodes[["step", "return"]].copy()
    averaged["return"] = (
        episodes["return"]
        .groupby(segment)
        .transform(lambda returns: returns.rolling(window, min_periods=window // 5).mean())
    )
    return [rows for _, rows in averaged.dropna().groupby(segment)]


def context_over_steps(
    iterations: pd.DataFrame, segments: pd.DataFrame
) -> dict[str, list[tuple[float, float]]]:
    """Return each knob's value over environment steps, as corners of a staircase.

    Args:
        iterations: the table of iterations.
        segments: from `segments_of`.

    Returns:
        By knob, (step, value) pairs in order, ending with the run.

    Example:
        >>> segments = pd.DataFrame({"start": [0, 3], "context": [{"wind": 1.0}, {"wind": 2.0}]})
        >>> context_over_steps(pd.DataFrame({"step": [5]}), segments)
        {'wind': [(0, 1.0), (3, 2.0), (5, 2.0)]}
    """
    if segments.empty:
        return {}
    last = int(iterations["step"].iloc[-1])
    corners: dict[str, list[tuple[float, float]]] = {}
    for knob in segments["context"].iloc[0]:
        # Within a segment a knob may drift, and then each iteration tells.
        column = iterations.get(STREAM_PREFIX + knob)
        moved = list(zip(iterations["step"], column, strict=True)) if column is not None else []
        starts = list(zip(segments["start"], (c[knob] for c in segments["context"]), strict=True))
        points = sorted({*starts, *moved})
        kept = [p for i, p in enumerate(points) if i == 0 or p[1] != points[i - 1][1]]
        corners[knob] = [*kept, (last, kept[-1][1])]
    return corners


def _draw_episodes(panel: Axes, record: Record, segments: pd.DataFrame) -> None:
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
    for i, part in enumerate(smooth(episodes, window)):
        label = f"mean of {window} episodes" if i == 0 else None
        panel.plot(part["step"], part["return"], color=_SMOOTH, linewidth=2, label=label)
    if 1 < len(segments) <= _MOST_CHANGES:
        panel.plot([], [], color=_CHANGE, linewidth=1, linestyle=(0, (4, 3)), label="change")


def _draw_context(panel: Axes, knob: str, points: list[tuple[float, float]]) -> None:
    steps, values = np.array(points).T
    panel.step(steps, values, where="post", color=_CONTEXT, linewidth=1.6)
    panel.set_ylabel(knob)
    if values.min() > 0 and values.max() >= 5 * values.min():
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter("{x:g}")
    panel.margins(y=0.3)
    for (start, value), (end, _) in pairwise(points):
        if end - start > 0.05 * steps[-1]:
            panel.annotate(
                f"{value:.3g}", ((start + end) / 2, value), (0, 4), textcoords="offset points",
                ha="center", fontsize="small", color=_CONTEXT,
            )  # fmt: skip
