"""The picture of the plasticity probe."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LINE = "#14487a"
_BASE = "#c2452d"
_COLUMNS = 4
_WINDOW = 5


def draw_probe(rows: Sequence[Mapping[str, Any]], chance: float, file: str | Path) -> None:
    """Draw the accuracy over the tasks, a panel for each candidate beside the first one.

    A line is the mean over the runs, and the band reaches from the worst to the best; both are
    moving means over five tasks.

    Args:
        rows: of the record, each with `methods` and the `accuracies` on all tasks.
        chance: the accuracy of guessing.
        file: the picture; its ending says the format, such as ".png".
    """
    names = list(dict.fromkeys(row["methods"] for row in rows))
    curves = {
        name: np.array([smooth(row["accuracies"]) for row in rows if row["methods"] == name])
        for name in names
    }
    shown = names[1:] or names
    columns = min(_COLUMNS, len(shown))
    lines = math.ceil(len(shown) / columns)
    size = (3.1 * columns + 0.6, 2.3 * lines + 0.7)
    figure = Figure(figsize=size, dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).flat)
    for panel, name in zip(panels, shown, strict=False):
        if name != names[0]:
            _draw(panel, curves[names[0]], _BASE, names[0])
        _draw(panel, curves[name], _LINE, name)
        panel.axhline(chance, color="#999999", linewidth=0.8, linestyle=":")
        panel.set_title(name.replace(":", "\n", 1), fontsize=8, loc="left")
        panel.set_ylim(0, 1)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="y", color="#e6e6e6", linewidth=0.8)
        panel.set_axisbelow(True)
    for panel in panels[len(shown) :]:
        panel.remove()
    figure.supxlabel("task", fontsize=9)
    figure.supylabel("accuracy before learning", fontsize=9)
    if len(names) > 1:
        figure.suptitle(f"each method (blue) beside {names[0]} (red)", fontsize=9)
    figure.savefig(file)


def smooth(values: Sequence[float], window: int = _WINDOW) -> np.ndarray:
    """Return moving means, over fewer values at the ends.

    Args:
        values: in order.
        window: how many to average over.

    Example:
        >>> smooth([1.0, 2.0, 6.0], window=3).tolist()
        [1.5, 3.0, 4.0]
    """
    rolling = pd.Series(values, dtype=float).rolling(window, center=True, min_periods=1)
    return rolling.mean().to_numpy()


def _draw(panel: Axes, curves: np.ndarray, color: str, name: str) -> None:
    tasks = np.arange(1, curves.shape[1] + 1)
    panel.fill_between(
        tasks, curves.min(axis=0), curves.max(axis=0), color=color, alpha=0.2, linewidth=0
    )
    panel.plot(tasks, curves.mean(axis=0), color=color, linewidth=1.5, label=name)
