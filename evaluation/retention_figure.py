"""The picture of the proving ground of retention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_KEPT = "#14487a"
_LOST = "#c2452d"


def draw_retention(summaries: Sequence[Mapping[str, Any]], file: str | Path) -> None:
    """Draw performance and forgetting of each method: a bar for the mean, a dot for each run.

    Args:
        summaries: a row for each method, with `methods`, and `performances` and `forgettings` of
            all its runs.
        file: the picture; its ending says the format, such as ".png".
    """
    figure = Figure(figsize=(8, 0.9 + 0.34 * len(summaries)), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2, sharey=True)
    places = np.arange(len(summaries))
    for panel, key, color, title in (
        (panels[0], "performances", _KEPT, "success over all tasks at the end"),
        (panels[1], "forgettings", _LOST, "forgetting"),
    ):
        values = [np.asarray(summary[key], dtype=float) for summary in summaries]
        panel.barh(places, [each.mean() for each in values], color=color, alpha=0.75, height=0.62)
        for place, each in zip(places, values, strict=True):
            spread = np.linspace(-0.2, 0.2, len(each)) if len(each) > 1 else np.zeros(1)
            panel.plot(each, place + spread, "o", color="#222222", markersize=2.5)
        panel.set_title(title, fontsize=9, loc="left")
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="x", color="#e6e6e6", linewidth=0.8)
        panel.set_axisbelow(True)
    panels[0].set_xlim(0, 1)
    panels[0].set_yticks(places, [summary["methods"] for summary in summaries], fontsize=8)
    panels[0].invert_yaxis()
    figure.savefig(file)
