"""Writes the report: one page, and beside it the pictures and every number."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from ..exports.tidy import export_tidy
from ..statistics.comparisons import compare
from .collect import Collection, StreamRuns, collect
from .drawing import Picture
from .figures_changes import draw_changes, recovery_table
from .figures_curves import draw_over_time, score_in_words
from .figures_scores import (
    draw_aggregates,
    draw_improvement,
    draw_matrices,
    draw_profiles,
)
from .latex import latex_table
from .scores import aggregates, compute_rows, final_scores, mean_returns, metric_rows
from .words import conclusions, general

PAGE = "report.html"
"""The page's file."""

MOST_BYTES = 4_500_000
"""Pictures that would make the page larger are linked instead of being in it."""

_METRICS = (
    *("average_performance", "final_accuracy", "forgetting", "maximum_forgetting"),
    *("backward_transfer", "forward_transfer", "min_acc", "wc_acc", "windowed_forgetting_10"),
    *("windowed_noise_floor_10", "plasticity_slope", "repeated_task_slope", "coverage"),
)


@dataclass
class Section:
    """What the page says of one stream."""

    name: str
    """The stream's."""

    anchor: str
    """Its name in addresses and files."""

    words: list[str]
    """What can be concluded."""

    pictures: list[dict[str, Any]]
    """As the template takes them."""

    tables: list[dict[str, Any]]
    """As the template takes them."""

    numbers: dict[str, Any]
    """Everything, for the JSON file."""


def write_report(
    folders: Sequence[Path], output: Path, notes: Sequence[str] = ()
) -> tuple[Path, Collection]:
    """Write a report about runs.

    Args:
        folders: of the runs.
        output: the report's folder, which is made where it is missing.
        notes: what else is known to be missing, a sentence each.

    Returns:
        The page, and what it is about.

    Raises:
        ValueError: none of the runs can be read.
        OSError: the folder cannot be written.
    """
    found = collect(folders)
    found.notes[:0] = notes
    if not found.streams:
        raise ValueError(f"no run can be reported: {'; '.join(found.notes)}")
    output.mkdir(parents=True, exist_ok=True)
    sections, told, size = [], list(found.notes), 0
    for stream in found.streams:
        section, more = _section(stream, output, size)
        size += sum(len(one["data"]) for one in section.pictures)
        sections.append(section)
        told += more
    records = [run.record for s in found.streams for group in s.groups for run in group.runs]
    export_tidy(records, output)
    numbers = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "runs": [str(record.folder) for record in records],
        "notes": told,
        "streams": {section.name: section.numbers for section in sections},
    }
    (output / "report.json").write_text(json.dumps(_plain(numbers), indent=1), encoding="utf-8")
    environment = Environment(
        loader=PackageLoader("everlearn.evaluation.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
    )
    text = environment.get_template("report.html.j2").render(
        sections=sections, notes=notes, general=general(), made=numbers["made"], n_runs=len(records)
    )
    (output / PAGE).write_text(text, encoding="utf-8")
    return output / PAGE, found


def _section(stream: StreamRuns, output: Path, size: int) -> tuple[Section, list[str]]:
    anchor = re.sub(r"[^0-9A-Za-z.]+", "-", stream.name.removeprefix("everlearn/")).strip("-")
    tables, notes = final_scores(stream.groups)
    runs = [run for group in stream.groups for run in group.runs if len(run.metrics.curves)]
    scores = sorted({run.metrics.score for run in runs})
    score = " or ".join(score_in_words(one) for one in scores) or "return"
    lives = mean_returns(stream.groups)
    scored = {label: table.mean(axis=1) for label, table in tables.items()}
    tests = {
        what: compare(one)
        for what, one in {"Mean return of training": lives, f"Final {score}": scored}.items()
        if len(one) > 1
    }
    n_tasks = max((table.shape[1] for table in tables.values()), default=0)
    found = aggregates(tables)
    pictures = list(_pictures(stream, tables, found, score, n_tasks))
    metrics, compute = metric_rows(stream.groups), compute_rows(stream.groups)
    for name, table in {"metrics": metrics, "compute": compute}.items():
        table.to_csv(output / f"{anchor}_{name}.csv", index=False)
    (output / f"{anchor}.tex").write_text(latex_table(metrics, stream.name, score), "utf-8")
    shown = []
    for picture in pictures:
        shown.append(_embed(picture, output, anchor, size))
        size += len(shown[-1]["data"])
    numbers = {
        "score": score,
        "metrics": metrics.to_dict("records"),
        "compute": compute.to_dict("records"),
        "aggregates": {k: {n: i._asdict() for n, i in v.items()} for k, v in found.items()},
        "final_scores": {label: table.to_dict("index") for label, table in tables.items()},
        "mean_returns": {label: one.to_dict() for label, one in lives.items()},
        "tests": {what: table.to_dict("records") for what, table in tests.items()},
        "recoveries": {g.label: recovery_table(g).to_dict("records") for g in stream.groups},
        "bootstrap": {"seed": 0, "resamples": 5000, "confidence": 0.95, "unit": "whole runs"},
    }
    words = conclusions(stream, tests, score, n_tasks)
    said = [_metrics_table(metrics, score), _compute_table(compute)]
    section = Section(stream.name, anchor, words, shown, [one for one in said if one], numbers)
    return section, notes


def _pictures(
    stream: StreamRuns, tables: dict[str, pd.DataFrame], found: Any, score: str, n_tasks: int
) -> Iterator[Picture]:
    yield from draw_over_time(stream)
    yield from draw_changes(stream)
    if tables:
        yield draw_aggregates(found, score, n_tasks)
        yield draw_profiles(tables, score)
        improvement = draw_improvement(tables)
        if improvement is not None:
            yield improvement
    yield from draw_matrices(stream)


def _embed(picture: Picture, output: Path, anchor: str, size: int) -> dict[str, Any]:
    """Write a picture, and return it as the template takes it: in the page while there is room."""
    file = io.BytesIO()
    picture.figure.savefig(file, format="png")
    png = file.getvalue()
    name = f"{anchor}_{picture.name}.png"
    (output / name).write_bytes(png)
    data = base64.b64encode(png).decode()
    fits = size + len(data) <= MOST_BYTES
    told = {"title": picture.title, "caption": picture.caption, "alone": picture.alone}
    return {**told, "file": name, "data": data if fits else ""}


def _metrics_table(metrics: pd.DataFrame, score: str) -> dict[str, Any] | None:
    known = metrics[metrics["metric"].isin(_METRICS) & metrics["value"].notna()]
    if known.empty:
        return None
    agents = list(dict.fromkeys(known["agent"]))
    cells = {(r["agent"], r["metric"]): r for r in known.to_dict("records")}
    rows = [
        [name.replace("_", " "), *(_cell(cells.get((agent, name))) for agent in agents)]
        for name in _METRICS
        if any((agent, name) in cells for agent in agents)
    ]
    caption = (
        f"Metrics of {score}, as docs/metrics.md defines them: mean over runs, 95% percentile "
        "bootstrap of whole runs (5,000 resamples; from 3 runs on), and n, the runs in which it "
        "could be measured."
    )
    return {"title": "Metrics", "head": ["metric", *agents], "rows": rows, "caption": caption}


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "not measured"
    interval = "" if math.isnan(row["low"]) else f" [{row['low']:.3g}, {row['high']:.3g}]"
    return f"{row['value']:.3g}{interval}, n = {row['n']}"


def _compute_table(compute: pd.DataFrame) -> dict[str, Any] | None:
    if compute.empty:
        return None
    rows = []
    for agent, one in compute.groupby("agent", sort=False):
        speed, seconds = one["steps_per_second"].mean(), one["seconds"].mean()
        rows.append(
            [
                str(agent),
                f"{len(one)} ({(one['state'] == 'finished').sum()} finished)",
                " to ".join(f"{n:,}" for n in sorted({one["steps"].min(), one["steps"].max()})),
                _time(seconds),
                "unknown" if math.isnan(speed) else f"{speed:,.0f}",
            ]
        )
    return {
        "title": "Compute",
        "head": ["agent", "runs", "steps", "mean time", "steps per second"],
        "rows": rows,
        "caption": "As the runs measured it, evaluations included, on whatever machine they were.",
    }


def _time(seconds: float) -> str:
    if math.isnan(seconds):
        return "unknown"
    return f"{seconds / 60:,.1f} min" if seconds >= 60 else f"{seconds:.0f} s"


def _plain(value: Any) -> Any:
    """Return data as JSON can hold it; what is not known becomes null."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
