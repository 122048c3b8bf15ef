"""What is said at the end of a run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from ..evaluation.metrics.detection import detection_figures
from . import run

if TYPE_CHECKING:
    from ..evaluation.records import Record

LAST_EPISODES = 100
"""Over how many episodes the final return is taken, as in SB3's `rollout/ep_rew_mean`."""

_NOTICED = "detection/changes"

_FIRST_AND_LAST = 5
"""How many segments are told at each end of a long stream."""


def print_summary(
    folder: Path,
    runs_folder: str,
    record: Record,
    last: Mapping[str, Any],
    seconds: float,
    costs: Sequence[tuple[str, str]] = (),
) -> None:
    """Print how a run went, where its picture is, and how to look closer.

    Args:
        folder: the run folder.
        runs_folder: the folder of all runs.
        record: what the run wrote.
        last: the newest value of every tag.
        seconds: how long training took.
        costs: what was done beside learning, and what it cost.
    """
    # Long lines go past rich, which would break them.
    print(f"{record.stream}: {record.agent}, seed {record.seed}")
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name, value in [*summary_rows(record, last, seconds), *costs]:
        table.add_row(name, value)
    Console(highlight=False).print(table)
    print(f"picture:     {folder / run.PICTURE}")
    tables = [name for name in run.TABLES if (folder / name).exists()]
    print(f"tables:      {folder / tables[0]}, {', '.join(tables[1:])}")
    print(f"TensorBoard: tensorboard --logdir {shlex.quote(str(runs_folder))}")


def summary_rows(record: Record, last: Mapping[str, Any], seconds: float) -> list[tuple[str, str]]:
    """Return the summary's lines, each with a name and a value.

    Args:
        record: what the run wrote.
        last: the newest value of every tag.
        seconds: how long training took.
    """
    steps = int(record.iterations["step"].iloc[-1])
    returns = record.episodes["return"]
    rows = [
        ("steps", f"{steps:,}"),
        ("iterations", f"{len(record.iterations):,}"),
        ("episodes", f"{len(returns):,}"),
        ("time", f"{int(seconds // 60)} min {seconds % 60:.1f} s"),
        ("steps per second", f"{steps / seconds:,.0f}"),
        (f"return, last {LAST_EPISODES} episodes", _mean(returns.tail(LAST_EPISODES))),
    ]
    rows += _segment_rows(record)
    if _NOTICED in last:
        rows.append(("changes noticed", _noticed(record, steps)))
    for name, value in last.items():
        if name.endswith("replaced_units"):
            rows.append((name.removeprefix("plasticity/"), f"{value:,.0f}"))
    return rows


def _segment_rows(record: Record) -> list[tuple[str, str]]:
    if record.copies_differ:
        return [("changes", "each copy for itself")]
    if not record.n_changes:
        return []
    returns = record.episodes["return"].groupby(record.episode_segments()).mean()
    told = [_segment_row(segment, returns) for segment in record.segments().to_dict("records")]
    if len(told) > 2 * _FIRST_AND_LAST:
        told[_FIRST_AND_LAST:-_FIRST_AND_LAST] = [("...", "...")]
    few = record.n_changes < 2 * _FIRST_AND_LAST
    return told if few else [("changes", f"{record.n_changes:,}"), *told]


def _segment_row(segment: Mapping[str, Any], returns: Mapping[int, float]) -> tuple[str, str]:
    context = ", ".join(f"{name} {value:.3g}" for name, value in segment["context"].items())
    value = returns.get(segment["segment"])
    shown = "no whole episode" if value is None else f"{value:,.1f}"
    return f"return, segment {segment['segment']} ({context})", shown


def _noticed(record: Record, steps: int) -> str:
    """Return how many changes were noticed, how soon, and how many alarms were false."""
    alarms = record.detections["step"].astype(int).tolist()
    if record.copies_differ:
        return f"{len(alarms):,}"
    changes = record.changes["step"].iloc[1:].astype(int).tolist()
    figures = detection_figures(changes, alarms, max(steps, 1))
    said = f"{len(figures.delays):,} of {len(changes):,}"
    if figures.delays:
        said += f", after {figures.median_delay:,.0f} steps (median)"
    return f"{said}; {figures.false_alarms:,} false alarms"


def _mean(values: Any) -> str:
    return f"{values.mean():,.1f}" if len(values) else "no episode ended"
