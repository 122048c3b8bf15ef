"""From a run folder to the metrics of continual learning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .metrics.accuracy_matrix import (
    average_accuracy,
    backward_transfer,
    coverage,
    gem_forward_transfer,
    maximum_forgetting,
)
from .metrics.average_performance import continual_world_performance, coom_performance
from .metrics.curves import evaluation_curves, in_segments, initial_scores, segment_ends
from .metrics.forgetting import (
    continual_world_forgetting,
    coom_forgetting,
    cora_isolated_forgetting,
    first_positions,
    last_of_each_task,
)
from .metrics.measured import Measured, mean_of
from .metrics.plasticity import plasticity_slope, repeated_task_slopes
from .metrics.stability_gap import (
    evaluation_noise,
    noise_floor,
    windowed_forgetting,
    windowed_plasticity,
    worst_case,
)
from .metrics.transfer import cora_zero_shot_transfer, segment_areas
from .records import CONTEXT_PREFIX, Record, context_columns, read_table

EVALUATIONS = "evaluations.csv"
"""The table of evaluations in a run folder."""

CURRENT = "current"
"""The task of being in the present context, whichever that is: no task of its own."""

WINDOWS = (10, 100)
"""Windows of the windowed metrics, in evaluations: those of De Lange et al. (ICLR 2023)."""

_SCORES = ("success", "normalized", "return")
_KEYS = ("iteration", "step", "segment", "task", "episode", "return", "length")


class RunMetrics(NamedTuple):
    """What one run was measured to be.

    Attributes:
        score: what is measured: "success", "normalized" or "return".
        curves: by step and task, without the present context.
        segments: `segment`, `start`, `end`, `context` and the trained `task`.
        ends: by segment and task, scores at the end of each segment.
        table: by metric, `value`, `n` and `of`, as in `Measured`.
    """

    score: str
    curves: pd.DataFrame
    segments: pd.DataFrame
    ends: pd.DataFrame
    table: pd.DataFrame


def read_evaluations(record: Record) -> pd.DataFrame:
    """Read a run's evaluations: a row an episode; no rows where there were none.

    A last row that was not written to its end is left out.

    Args:
        record: the run.
    """
    file = record.folder / EVALUATIONS
    empty = pd.DataFrame({name: pd.Series(dtype=float) for name in _KEYS})
    if not file.is_file() or not file.stat().st_size:
        return empty
    table = read_table(file)
    if not set(_KEYS) <= set(table):
        return empty
    return table.dropna(subset=["step", "task", "return", "length"])


def task_segments(record: Record, evaluations: pd.DataFrame) -> pd.DataFrame:
    """Return a run's segments, each with the task that was trained in it.

    It is the evaluated task of the same context. Where none is, each context is a task of its own,
    named for the first segment that had it.

    Args:
        record: the run.
        evaluations: from `read_evaluations`.

    Returns:
        The columns `segment`, `start`, `end`, `context` and `task`.
    """
    worlds = record.config.get("stream", {}).get("worlds", [])
    known: dict[Any, str] = {}
    rows = evaluations[evaluations["task"] != CURRENT].drop_duplicates("task")
    columns = context_columns(rows)
    for task, values in zip(rows["task"], rows[columns].to_dict("records"), strict=True):
        context = {name.removeprefix(CONTEXT_PREFIX): value for name, value in values.items()}
        known[_key(context, worlds)] = str(task)
    segments = record.segments()
    keys = [_key(context, worlds) for context in segments["context"]]
    for key, number in zip(keys, segments["segment"], strict=True):
        known.setdefault(key, f"segment {number}")
    return segments.assign(task=pd.Series([known[key] for key in keys], dtype=object))


def run_metrics(record: Record, score: str | None = None) -> RunMetrics:
    """Measure one run by its evaluations.

    Metrics that need other runs, such as forward transfer with a from-scratch reference, or a
    scale over runs, are not here.

    Args:
        record: the run.
        score: the column of the evaluations to measure; None for success rates where the world
            tells them, else normalised returns where references are known, else returns.

    Returns:
        Curves and metrics; where there were no evaluations, all is NaN with a count of 0.
    """
    evaluations = read_evaluations(record)
    evaluations = evaluations[evaluations["task"] != CURRENT]
    score = score or _best_score(evaluations)
    segments = task_segments(record, evaluations)
    curves = evaluation_curves(evaluations, score)
    ends = segment_ends(curves, segments, slack=iteration_steps(record))
    found = {
        **_of_ends(curves, segments, ends),
        **_on_the_way(curves, segments, evaluation_noise(evaluations, score)),
    }
    table = pd.DataFrame.from_dict(found, orient="index", columns=list(Measured._fields))
    return RunMetrics(score, curves, segments, ends, table.rename_axis(index="metric"))


def iteration_steps(record: Record) -> int:
    """Return the environment steps of an iteration, which end where evaluations are made.

    Args:
        record: the run.
    """
    steps = np.diff(record.iterations["step"].to_numpy(), prepend=0)
    return int(steps.max()) if len(steps) else 0


def _of_ends(
    curves: pd.DataFrame, segments: pd.DataFrame, ends: pd.DataFrame
) -> dict[str, Measured]:
    if segments.empty or curves.empty:
        names = "average_performance final_accuracy coom_performance forgetting coom_forgetting"
        names += " maximum_forgetting backward_transfer forward_transfer cora_forgetting"
        names += " cora_zero_shot_transfer coverage"
        return dict.fromkeys(names.split(), mean_of([]))
    isolated = cora_isolated_forgetting(ends, segments)
    zero_shot = cora_zero_shot_transfer(ends, curves, segments)
    rows, met = np.arange(len(ends))[:, None], first_positions(ends, segments)[None, :]
    return {
        "average_performance": continual_world_performance(curves, _tail(curves, segments)),
        "final_accuracy": average_accuracy(ends),
        "coom_performance": coom_performance(curves, segments),
        "forgetting": mean_of(last_of_each_task(continual_world_forgetting(ends, segments))),
        "coom_forgetting": mean_of(last_of_each_task(coom_forgetting(ends, segments))),
        "maximum_forgetting": maximum_forgetting(ends, segments),
        "backward_transfer": backward_transfer(ends, segments),
        "forward_transfer": gem_forward_transfer(ends, segments, initial_scores(curves, segments)),
        # Of the table, only the cells that have a value by definition are to be measured.
        "cora_forgetting": mean_of(isolated.to_numpy()[rows > met]),
        "cora_zero_shot_transfer": mean_of(zero_shot.to_numpy()[rows < met]),
        "coverage": coverage(ends),
    }


def _tail(curves: pd.DataFrame, segments: pd.DataFrame) -> int:
    """Return how many evaluations are the end: Continual World's 5, but of the last segment."""
    inside = int((in_segments(curves, segments) == len(segments) - 1).sum())
    return min(5, max(1, inside))


def _on_the_way(
    curves: pd.DataFrame, segments: pd.DataFrame, noise: Mapping[Any, float]
) -> dict[str, Measured]:
    worst = worst_case(curves, segments)
    found = {
        "min_acc": mean_of(worst["min_acc"].tail(1)),
        "wc_acc": mean_of(worst["wc_acc"].tail(1)),
    }
    for w in WINDOWS:
        floors = [noise_floor(noise.get(task, np.nan), len(curves), w) for task in curves]
        found[f"windowed_forgetting_{w}"] = mean_of(
            [windowed_forgetting(curves[task], w) for task in curves]
        )
        found[f"windowed_plasticity_{w}"] = mean_of(
            [windowed_plasticity(curves[task], w) for task in curves]
        )
        found[f"windowed_noise_floor_{w}"] = mean_of(floors)
    areas = segment_areas(curves, segments)
    slope = plasticity_slope(areas)
    found["plasticity_slope"] = Measured(slope.value, slope.n, len(areas))
    found["repeated_task_slope"] = mean_of(repeated_task_slopes(areas)["value"])
    return found


def _best_score(evaluations: pd.DataFrame) -> str:
    """Return the first of the scores that every row has."""
    return next(
        (name for name in _SCORES if name in evaluations and evaluations[name].notna().all()),
        "return",
    )


def _key(context: Mapping[str, float], worlds: list[str]) -> tuple[tuple[str, Any], ...]:
    """Return what makes two contexts one task; a world under two numbers is one."""
    named = {
        knob: worlds[int(value)] if knob == "task" and int(value) < len(worlds) else float(value)
        for knob, value in context.items()
    }
    return tuple(sorted(named.items()))
