"""What the report's figures have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from .curves import Curves

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
"""Okabe and Ito's colours, which most kinds of colour blindness tell apart."""

Line = Literal["-", "--", ":", "-."]
"""How a line is drawn."""

_STYLES: tuple[Line, ...] = ("-", "--", ":", "-.")
_SHADE = "#eeeeee"


class Picture(NamedTuple):
    """A figure of the report.

    Attributes:
        name: of its file.
        title: above it.
        caption: what is seen, of how many runs, with which interval.
        figure: the drawing.
        alone: whether it has a row of the page for itself.
    """

    name: str
    title: str
    caption: str
    figure: Figure
    alone: bool = False


def new_figure(
    width: float = 6.4, height: float = 3.6, rows: int = 1, columns: int = 1
) -> tuple[Figure, list[Axes]]:
    """Return an empty figure and its panels.

    Args:
        width: in inches.
        height: in inches.
        rows: of panels.
        columns: of panels.
    """
    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="y", color="#e6e6e6", linewidth=0.7)
        panel.set_axisbelow(True)
    return figure, panels


def style(position: int) -> tuple[str, Line]:
    """Return the colour and the line of the group at a position.

    Args:
        position: from 0.
    """
    lines = _STYLES[position // len(COLOURS) % len(_STYLES)]
    return COLOURS[position % len(COLOURS)], lines


def draw_curves(axes: Axes, curves: Curves, label: str, position: int) -> None:
    """Draw the mean over runs with its interval; without one, each run as a thin line.

    Args:
        axes: where.
        curves: of a group.
        label: the group's.
        position: of the group, for its colour.
    """
    colour, line = style(position)
    # A line through a single point is not to be seen.
    dot = "o" if np.isfinite(curves.mean).sum() == 1 else None
    look: dict[str, Any] = {"color": colour, "linestyle": line, "marker": dot, "markersize": 4}
    axes.plot(curves.steps, curves.mean, lw=1.8, label=label, **look)
    if np.isfinite(curves.low).any():
        axes.fill_between(curves.steps, curves.low, curves.high, color=colour, alpha=0.2, lw=0)
    elif len(curves.values) > 1 or not np.isfinite(curves.mean).any():
        for row in curves.values:
            axes.plot(curves.steps, row, lw=0.7, alpha=0.6, **look)


def shade_segments(axes: Axes, segments: pd.DataFrame | None) -> None:
    """Shade every other segment of the stream.

    Args:
        axes: where.
        segments: `start` and `end`, or None where they are not the same in all runs.
    """
    if segments is None or not 1 < len(segments) <= 60:
        return
    for start, end in segments[["start", "end"]].iloc[1::2].to_numpy():
        axes.axvspan(start, end, color=_SHADE, lw=0, zorder=0)


def steps_axis(axes: Axes, label: str = "environment steps") -> None:
    """Write large numbers of steps short.

    Args:
        axes: whose horizontal axis.
        label: what it counts.
    """
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel(label)


def legend_below(figure: Figure, labels: Sequence[str]) -> None:
    """Put one legend of all groups under the panels.

    Args:
        figure: whose panels have lines.
        labels: of the groups, in order.
    """
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=style(i)[0], linestyle=style(i)[1], lw=1.8) for i in range(len(labels))
    ]
    columns = max(1, min(3, int(95 * figure.get_figwidth() / 6.4) // (max(map(len, labels)) + 8)))
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize="small"
    )
