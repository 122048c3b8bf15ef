"""The picture of runs that learned one task after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

_COLORS = ("#14487a", "#c2452d", "#4f8a3c", "#8a5aa8", "#b8860b", "#3f8f8f")
_CHANGE = "#8c8c8c"


def draw_sequences(rows: Sequence[Mapping[str, Any]], file: str | Path) -> None:
    """Draw the success in every task over all of training: a panel for each method.

    A thick line is the mean over seeds, a thin one a run; marks are where the next task begins.

    Args:
        rows: of a record, with `methods`, `tasks`, `lengths` and the `curves` of `success`.
        file: the picture; its ending says the format, such as ".png".
    """
    names = list(dict.fromkeys(row["methods"] for row in rows))
    figure = Figure(figsize=(9, 0.7 + 1.45 * len(names)), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(names), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for panel, name in zip(panels, names, strict=True):
        own = [row for row in rows if row["methods"] == name]
        changes = np.cumsum(own[0]["lengths"])
        tasks = dict.fromkeys(own[0]["tasks"])
        for color, task in zip(_COLORS * len(tasks), tasks, strict=False):
            curves = [np.asarray(row["success"]["curves"][task], dtype=float) for row in own]
            steps = own[0]["success"]["curves"]["steps"]
            for curve in curves:
                panel.plot(steps, curve, color=color, linewidth=0.6, alpha=0.45)
            mean = np.mean(curves, axis=0)
            panel.plot(steps, mean, color=color, linewidth=2, label=task)
        for step in changes[:-1]:
            panel.axvline(step, color=_CHANGE, linewidth=1, linestyle=(0, (4, 3)), zorder=1.5)
        panel.set_title(name, fontsize=9, loc="left")
        panel.spines[["top", "right"]].set_visible(False)
        panel.set_ylabel("success", fontsize=8)
    panels[0].set_ylim(-0.03, 1.03)
    panels[-1].set_xlim(0, float(changes[-1]))
    panels[-1].set_xlabel("environment steps")
    panels[-1].xaxis.set_major_formatter(EngFormatter(sep=""))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    figure.savefig(file)
