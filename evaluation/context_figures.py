"""Pictures of agents that infer a hidden context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_COLORS = ("#14487a", "#c2452d", "#5b8f3a", "#b58900", "#7a4d8f", "#2a8f8f", "#4d4d4d", "#d98ca0")


def draw_learning(
    curves: Mapping[str, Mapping[int, Sequence[float]]], file: Path, label: str
) -> None:
    """Draw how well agents do while they learn, as means and ranges over seeds.

    Args:
        curves: for each agent the scores of all seeds by environment step.
        file: the picture.
        label: what a score is.
    """
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    for number, (name, curve) in enumerate(curves.items()):
        steps, scores = list(curve), list(curve.values())
        again, place = divmod(number, len(_COLORS))
        color, style = _COLORS[place], "--" if again else "-"
        means = [np.mean(s) for s in scores]
        panel.plot(steps, means, color=color, ls=style, label=name, marker="o", ms=3)
        panel.fill_between(
            steps, [min(s) for s in scores], [max(s) for s in scores], color=color, alpha=0.12, lw=0
        )
    panel.set_xlabel("environment steps")
    panel.set_ylabel(label)
    figure.legend(frameon=False, fontsize="small", loc="outside upper center", ncols=3)
    _save(figure, file)


def draw_ages(trace: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Draw a belief over the age of the present segment, over the true one, step by step.

    Args:
        trace: for each step the `belief` over ages, of shape (ages,), the `segment`'s true age, and
            the `context`.
        file: the picture.
    """
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    belief = np.stack([row["belief"] for row in trace], axis=1)
    extent = (-0.5, len(trace) - 0.5, 0.5, len(belief) + 0.5)
    upper.imshow(
        np.sqrt(belief), origin="lower", aspect="auto", extent=extent, cmap="Blues", vmin=0, vmax=1
    )
    steps = np.arange(len(trace))
    ages = np.array([row["segment"] for row in trace], dtype=float)
    ages[ages == 1] = np.nan
    upper.plot(steps, ages, color=_COLORS[1], lw=1.2, label="true age of the segment")
    upper.set_ylim(0.5, max(np.nanmax(ages), 60) + 5)
    upper.set_ylabel("age in steps")
    upper.legend(frameon=False, fontsize="small", loc="upper left")
    lower.step(steps, [row["context"] for row in trace], color=_COLORS[6], where="mid")
    lower.set_ylabel("context")
    lower.set_xlabel("steps of one copy")
    _save(figure, file)


def _save(figure: Figure, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=130)
