"""Figures of scores: matrices, aggregates, profiles, improvement."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import permutations

import numpy as np
import pandas as pd

from ..matrix_figures import draw_accuracy, draw_matrix
from ..metrics.forgetting import cora_isolated_forgetting
from ..statistics.aggregates import probability_of_improvement
from ..statistics.bootstrap import Interval, bootstrap, profile_with_band
from .collect import StreamRuns
from .drawing import Picture, legend_below, new_figure, style
from .figures_curves import score_in_words

_THRESHOLDS = 81


def draw_matrices(stream: StreamRuns) -> Iterator[Picture]:
    """Draw how good each task was at the end of each segment, and what each segment cost it.

    Args:
        stream: its runs.
    """
    for position, group in enumerate(stream.groups):
        runs = [run for run in group.scored if run.metrics.ends.size]
        ends = mean_table([run.metrics.ends for run in runs])
        if ends is None or not np.isfinite(ends.to_numpy()).any():
            continue
        segments = runs[0].metrics.segments
        score = score_in_words(runs[0].metrics.score)
        told = f"Mean of n = {len(runs)} runs, without interval"
        yield Picture(
            f"accuracy_{position}",
            f"Accuracy matrix: {group.label}",
            f"{score.capitalize()} of each task at the end of each segment (last evaluation in its "
            f"last tenth or within an iteration). The frame is the task that was trained. "
            f"{told}; {_known_cells(ends)}.",
            draw_accuracy(ends, segments, score),
        )
        lost = mean_table(
            [cora_isolated_forgetting(r.metrics.ends, r.metrics.segments) for r in runs]
        )
        if lost is not None and np.isfinite(lost.to_numpy()).any():
            yield Picture(
                f"forgetting_{position}",
                f"Forgetting matrix: {group.label}",
                f"Isolated forgetting (Powers et al. 2022): {score} lost by each task, once it was "
                f"trained, in each later segment; below 0 is gained. {told}; {_known_cells(lost)}.",
                draw_matrix(lost, segments, f"{score} lost", "RdYlGn_r", centred=True),
            )


def _known_cells(table: pd.DataFrame) -> str:
    return f"{int(np.isfinite(table.to_numpy()).sum())} of {table.size} cells known"


def mean_table(tables: list[pd.DataFrame]) -> pd.DataFrame | None:
    """Average tables cell by cell, over those that know the cell.

    Args:
        tables: with rows and columns of the same meaning.
    """
    if not tables:
        return None
    rows = max((table.index for table in tables), key=len)
    columns = list(dict.fromkeys(column for table in tables for column in table))
    stacked = np.array([t.reindex(index=rows, columns=columns).to_numpy(float) for t in tables])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a cell that nobody knows
        return pd.DataFrame(np.nanmean(stacked, axis=0), rows, columns)


def draw_aggregates(found: dict[str, dict[str, Interval]], score: str, tasks: int) -> Picture:
    """Draw aggregate scores with their intervals.

    Args:
        found: by label and name.
        score: what they are of.
        tasks: how many there are.
    """
    names = list(next(iter(found.values())))
    figure, panels = new_figure(9.2, 0.9 + 0.42 * len(found), 1, len(names))
    for axes, name in zip(panels, names, strict=True):
        for row, (_, intervals) in enumerate(found.items()):
            one, (colour, _) = intervals[name], style(row)
            if np.isfinite(one.low):
                axes.barh(
                    row, one.high - one.low, left=one.low, height=0.55, color=colour, alpha=0.35
                )
            axes.plot([one.value] * 2, [row - 0.28, row + 0.28], color=colour, lw=2.5)
        axes.set_yticks(range(len(found)), list(found) if axes is panels[0] else [""] * len(found))
        axes.set_ylim(len(found) - 0.4, -0.6)
        axes.set_title(name, fontsize="medium", loc="left")
        axes.set_xlabel(score)
        axes.use_sticky_edges = False
        axes.margins(x=0.1)
        axes.locator_params(axis="x", nbins=4)
        axes.grid(axis="x", color="#e6e6e6", linewidth=0.7)
    runs = ", ".join(f"{label} n = {one[names[0]].n}" for label, one in found.items())
    caption = (
        f"Scores at the end of the run over {tasks} task{'s' * (tasks > 1)}: interquartile mean "
        f"over runs and tasks, mean, median of tasks. {runs}; bars: {_method(found)}."
    )
    return Picture("aggregates", "Scores at the end", caption, figure, alone=True)


def draw_profiles(tables: dict[str, pd.DataFrame], score: str) -> Picture:
    """Draw the share of runs and tasks that score above each threshold.

    Args:
        tables: by label, a row a run and a column a task.
        score: what they are of.
    """
    everything = np.concatenate([table.to_numpy().ravel() for table in tables.values()])
    low, high = everything.min(), everything.max()
    margin = 0.03 * (high - low or 1.0)
    limits = np.linspace(low - margin, high + margin, _THRESHOLDS)
    figure, (axes,) = new_figure(6.2, 3.6)
    for position, table in enumerate(tables.values()):
        colour, line = style(position)
        profile = profile_with_band(table.to_numpy(), limits)
        axes.step(limits, profile["share"], where="post", color=colour, linestyle=line, lw=1.8)
        if profile["low"].notna().any():
            axes.fill_between(
                limits, profile["low"], profile["high"], step="post", color=colour, alpha=0.2, lw=0
            )
    axes.set_xlabel(f"{score} τ")
    axes.set_ylabel("share of runs and tasks above τ")
    axes.set_ylim(-0.02, 1.02)
    legend_below(figure, list(tables))
    runs = ", ".join(f"{label} n = {len(table)}" for label, table in tables.items())
    caption = (
        f"Performance profile of the scores at the end: higher is better. {runs}; bands where n is "
        "3 or more: pointwise 95% percentile bootstrap of whole runs, 2,000 resamples."
    )
    return Picture("profiles", "Performance profiles", caption, figure)


def draw_improvement(tables: dict[str, pd.DataFrame]) -> Picture | None:
    """Draw how likely a run of one group beats a run of another.

    Args:
        tables: by label, a row a run and a column a task.
    """
    pairs = list(permutations(tables, 2))
    pairs = [(a, b) for a, b in pairs if list(tables).index(a) < list(tables).index(b)]
    common = [
        (a, b, [task for task in tables[a] if task in tables[b]]) for a, b in pairs
    ]  # fmt: skip
    common = [(a, b, tasks) for a, b, tasks in common if tasks]
    if not common:
        return None
    figure, (axes,) = new_figure(6.2, 1.6 + 0.62 * len(common))
    least = []
    for row, (a, b, tasks) in enumerate(common):
        found = bootstrap(
            probability_of_improvement, tables[a][tasks].to_numpy(), tables[b][tasks].to_numpy()
        )
        least.append(found)
        if np.isfinite(found.low):
            axes.plot([found.low, found.high], [row, row], color="#0072b2", lw=7, alpha=0.35,
                      solid_capstyle="butt")  # fmt: skip
        axes.plot(found.value, row, "o", color="#0072b2")
    axes.axvline(0.5, color="#777777", lw=1, linestyle="--")
    axes.set_yticks(range(len(common)), [f"{a}\nbetter than {b}" for a, b, _ in common],
                    fontsize="small")  # fmt: skip
    axes.set_ylim(len(common) - 0.5, -0.5)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("probability")
    methods = sorted({one.method for one in least})
    caption = (
        "Probability that a run of one agent scores higher at the end than a run of the other, on "
        "a task drawn at random (Mann-Whitney U); 0.5 is no difference. "
        f"n = {' to '.join(map(str, sorted({one.n for one in least})))} runs (of the agent with "
        f"fewer); bars: {'; '.join(methods)}."
    )
    return Picture("improvement", "Probability of improvement", caption, figure)


def _method(found: dict[str, dict[str, Interval]]) -> str:
    methods = {one.method for intervals in found.values() for one in intervals.values()}
    return "; ".join(sorted(methods))
