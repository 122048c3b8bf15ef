"""Pictures of matrices by segment and task."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

_MOST_ROWS = 40
_MOST_NUMBERS = 200


def draw_accuracy(
    ends: pd.DataFrame, segments: pd.DataFrame, score: str, title: str = ""
) -> Figure:
    """Draw how good each task was at the end of each segment; the trained task has a frame.

    Args:
        ends: scores by segment and task; what was not measured is left white.
        segments: `segment` and the trained `task`.
        score: what the scores are, in words.
        title: the figure's title.
    """
    return draw_matrix(ends, segments, score, "viridis", title)


def draw_matrix(
    table: pd.DataFrame,
    segments: pd.DataFrame,
    label: str,
    colours: str = "viridis",
    title: str = "",
    centred: bool = False,
) -> Figure:
    """Draw a table by segment and task as a heat map with its numbers.

    Of more segments than fit, evenly spaced ones are drawn, the first and the last among them.

    Args:
        table: by segment and task; NaN is left white.
        segments: `segment` and the trained `task`, which gets a frame.
        label: what the numbers are.
        colours: matplotlib's name of a map of colours.
        title: the figure's title.
        centred: whether 0 is in the middle of the colours.
    """
    shown = _thinned(table)
    trained = segments.drop_duplicates("segment").set_index("segment")["task"]
    width = 2.4 + 0.85 * min(shown.shape[1], 20)
    height = 1.6 + 0.34 * len(shown)
    figure = Figure(figsize=(max(width, 4.8), max(height, 2.6)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    values = shown.to_numpy(dtype=float)
    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    if centred:
        high = max(abs(low), abs(high)) or 1.0
        low = -high
    image = axes.imshow(values, cmap=colours, aspect="auto", vmin=low, vmax=high)
    figure.colorbar(image, ax=axes, label=label)
    axes.set_xticks(range(shown.shape[1]), [_broken(str(task)) for task in shown.columns])
    axes.tick_params(axis="x", labelrotation=30 if shown.shape[1] > 3 else 0)
    for tick in axes.get_xticklabels():
        tick.set_horizontalalignment("right" if shown.shape[1] > 3 else "center")
    axes.set_yticks(range(len(shown)), [str(one) for one in shown.index])
    axes.set_ylabel("segment")
    axes.set_xlabel("task")
    axes.set_title(title, loc="left", fontsize="medium")
    if values.size <= _MOST_NUMBERS:
        _write_numbers(axes, values, colours, low, high)
    for row, segment in enumerate(shown.index):
        if (task := trained.get(segment)) in shown.columns:
            column = list(shown.columns).index(task)
            axes.add_patch(
                Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="#c2452d", lw=2)
            )
    return figure


def _thinned(table: pd.DataFrame) -> pd.DataFrame:
    if len(table) <= _MOST_ROWS:
        return table
    return table.iloc[np.linspace(0, len(table) - 1, _MOST_ROWS).round().astype(int)]


def _write_numbers(axes: object, values: np.ndarray, colours: str, low: float, high: float) -> None:
    colour_map, span = colormaps[colours], (high - low) or 1.0
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            red, green, blue, _ = colour_map((value - low) / span)
            dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
            axes.text(  # type: ignore[attr-defined]
                column, row, f"{value:.3g}", ha="center", va="center", fontsize="small",
                color="white" if dark else "black",
            )  # fmt: skip


def _broken(name: str) -> str:
    """Break a long name of several parts into lines."""
    return name.replace(", ", "\n")
