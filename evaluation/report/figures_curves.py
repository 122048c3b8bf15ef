"""Figures over time: returns, evaluations, plasticity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .collect import Group, StreamRuns
from .curves import Curves, curves_of, evaluation_curves_of, grid
from .drawing import (
    Picture,
    draw_curves,
    legend_below,
    new_figure,
    shade_segments,
    steps_axis,
    style,
)

MOST_TASKS = 8
"""More tasks than this are not drawn one by one."""

MEASURES = (
    "dormant_fraction",
    "dead_fraction",
    "effective_rank",
    "weight_norm",
    "gradient_norm",
    "trainability",
)
"""Which of `plasticity/<part>/...` are drawn."""

_MOST_MARKS = 200
_TITLE = 36


def draw_over_time(stream: StreamRuns) -> Iterator[Picture]:
    """Draw all that happens over the steps of a stream.

    Args:
        stream: its runs.
    """
    steps, segments = grid(stream.groups), common_segments(stream.groups)
    shaded = "" if segments is None or len(segments) < 2 else " Every other segment is shaded."
    yield from _returns(stream, steps, segments, shaded)
    yield from _evaluations(stream, steps, segments, shaded)
    yield from _plasticity(stream, steps, segments, shaded)


def common_segments(groups: Sequence[Group]) -> pd.DataFrame | None:
    """Return the segments of the stream, if all runs were in the same up to their ends.

    Args:
        groups: of one stream.
    """
    found = [run.metrics.segments for group in groups for run in group.runs]
    longest = max(found, key=len, default=None)
    if longest is None:
        return None
    starts = longest["start"].tolist()
    alike = all(one["start"].tolist() == starts[: len(one)] for one in found)
    return longest if alike else None


def score_in_words(score: str) -> str:
    """Return how a score is called in text.

    Args:
        score: a column of the evaluations.
    """
    names = {"normalized": "normalised return", "success": "success rate"}
    return names.get(score, score)


def counted(curves: Sequence[tuple[str, Curves]]) -> str:
    """Say of how many runs curves are, and how their intervals were made.

    Args:
        curves: with the labels of their groups.
    """
    runs = ", ".join(f"{label} n = {len(one.values)}" for label, one in curves)
    methods = {one.method for _, one in curves} - {"no interval"}
    if not methods:
        return f"{runs}; too few runs for an interval, thin lines are single runs."
    return f"{runs}; bands: {'; '.join(sorted(methods))}."


def _returns(
    stream: StreamRuns, steps: np.ndarray, segments: pd.DataFrame | None, shaded: str
) -> Iterator[Picture]:
    curves = _of_groups(stream.groups, lambda group: curves_of(group.runs, None, steps))
    if not curves:
        return
    figure, (axes,) = new_figure(8.6, 3.9)
    _draw_all(axes, stream.groups, curves, segments)
    axes.set_ylabel("episode return in training")
    legend_below(figure, [group.label for group in stream.groups])
    caption = f"Mean over seeds of the return of training's episodes.{shaded} {counted(curves)}"
    yield Picture("return", "Return in training", caption, figure, alone=True)


def _evaluations(
    stream: StreamRuns, steps: np.ndarray, segments: pd.DataFrame | None, shaded: str
) -> Iterator[Picture]:
    groups = stream.groups
    scores = {run.metrics.score for g in groups for run in g.runs if len(run.metrics.curves)}
    names = [task for g in groups for run in g.runs for task in run.metrics.curves]
    tasks = list(dict.fromkeys(names))
    if not tasks:
        return
    score = " or ".join(score_in_words(one) for one in sorted(scores))
    wanted: list[str | None] = [None, *(tasks if 1 < len(tasks) <= MOST_TASKS else [])]
    columns = min(3, len(wanted))
    rows = -(-len(wanted) // columns)
    figure, panels = new_figure(3.3 * columns + 0.4, 2.5 * rows + 0.6, rows, columns)
    told: list[tuple[str, Curves]] = []
    for axes, task in zip(panels, wanted, strict=False):

        def of_task(group: Group, task: str | None = task) -> Curves | None:
            return evaluation_curves_of(group.runs, task, steps)

        title = "mean over tasks" if task is None else fill(task, _TITLE)
        curves = _of_groups(groups, of_task)
        told = told or curves
        _draw_all(axes, groups, curves, segments)
        axes.set_title(title, fontsize="small", loc="left")
        axes.set_ylabel(score, fontsize="small")
        axes.tick_params(labelsize="small")
    for axes in panels[len(wanted) :]:
        axes.set_visible(False)
    legend_below(figure, [group.label for group in groups])
    more = "" if len(tasks) <= MOST_TASKS else f" {len(tasks)} tasks are too many to draw each."
    caption = (
        f"{score.capitalize()} in worlds of its own that do not change, without exploration: the "
        f"mean over tasks, and each task.{more}{shaded} {counted(told)}"
    )
    yield Picture("evaluations", "Evaluations", caption, figure, alone=True)


def _plasticity(
    stream: StreamRuns, steps: np.ndarray, segments: pd.DataFrame | None, shaded: str
) -> Iterator[Picture]:
    runs = [run for group in stream.groups for run in group.runs]
    tags = list(dict.fromkeys(tag for run in runs for tag in run.record.iterations))
    parts = sorted({tag.split("/")[1] for tag in tags if _is_of_part(tag)})
    measures = [m for m in MEASURES if any(f"plasticity/{part}/{m}" in tags for part in parts)]
    if not measures:
        return
    columns, rows = min(len(parts), 4), len(measures)
    figure, panels = new_figure(3.4 * columns + 0.6, 1.9 * rows + 0.7, rows, columns)
    told: list[tuple[str, Curves]] = []
    for number, axes in enumerate(panels):
        measure, part = measures[number // columns], parts[number % columns]

        def of_tag(group: Group, tag: str = f"plasticity/{part}/{measure}") -> Curves | None:
            return curves_of(group.runs, tag, steps)

        curves = _of_groups(stream.groups, of_tag)
        told = told or curves
        _draw_all(axes, stream.groups, curves, segments)
        axes.set_title(f"{part}: {measure.replace('_', ' ')}", fontsize="small", loc="left")
        axes.tick_params(labelsize="small")
        for position, group in enumerate(stream.groups):
            _mark_events(axes, group, part, position)
        if number < columns * (rows - 1):
            axes.set_xlabel("")
    legend_below(figure, [group.label for group in stream.groups])
    caption = (
        "Diagnostics of the networks; docs/logging.md defines them. Marks at the lower edge are "
        f"iterations in which units or networks were reset, in any run.{shaded} {counted(told)}"
    )
    yield Picture("plasticity", "Plasticity", caption, figure, alone=True)


def _is_of_part(tag: str) -> bool:
    return tag.startswith("plasticity/") and tag.count("/") == 2 and tag.split("/")[2] in MEASURES


def _mark_events(axes: Axes, group: Group, part: str, position: int) -> None:
    """Mark the iterations in which a counter of resets rose."""
    steps: set[float] = set()
    for run in group.runs:
        table = run.record.iterations
        counters = [f"plasticity/{part}/replaced_units"]
        counters += [tag for tag in table if tag.startswith("plasticity/") and tag.count("/") == 1]
        for tag in counters:
            if tag in table:
                rose = table[tag].fillna(0).astype(float).diff().fillna(0) > 0
                steps.update(table["step"][rose])
    marked = sorted(steps)
    if len(marked) > _MOST_MARKS:
        marked = [marked[i] for i in np.linspace(0, len(marked) - 1, _MOST_MARKS).astype(int)]
    low = 0.03 + 0.05 * position
    (marks,) = axes.plot(
        marked, [low] * len(marked), "|", color=style(position)[0], markersize=5, alpha=0.7,
        transform=axes.get_xaxis_transform(),
    )  # fmt: skip
    marks.set_in_layout(False)


def _of_groups(
    groups: Sequence[Group], curves: Callable[[Group], Curves | None]
) -> list[tuple[str, Curves]]:
    found = [(group.label, curves(group)) for group in groups]
    return [(label, one) for label, one in found if one is not None]


def _draw_all(
    axes: Axes,
    groups: Sequence[Group],
    curves: Sequence[tuple[str, Curves]],
    segments: pd.DataFrame | None,
) -> None:
    positions = {group.label: i for i, group in enumerate(groups)}
    shade_segments(axes, segments)
    for label, one in curves:
        draw_curves(axes, one, label, positions[label])
    steps_axis(axes)
