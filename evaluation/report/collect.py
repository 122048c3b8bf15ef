"""Reads run folders, whatever state they are in, and puts those that compare side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ..records import Record, read_table
from ..run_metrics import EVALUATIONS, RunMetrics, run_metrics

CONFIG = "config.yaml"

_TABLES: dict[str, tuple[str, ...]] = {
    "iterations": ("iteration", "step"),
    "episodes": ("step", "env", "return", "length", "truncated", "segment"),
    "changes": ("step", "segment", "left_out"),
}
_NOT_COMPARED = (
    *("hash", "seed", "total_steps", "evaluation", "diagnostics", "layer_diagnostics_every"),
    *("trainability_every", "checkpoint_every", "threads"),
)
"""What may differ between runs of one group: it does not change what is learned from what."""

ENOUGH = 0.95
"""A run counts among the scores if it is at least this share as long as its stream's longest."""


@dataclass(frozen=True)
class Run:
    """One run."""

    record: Record
    """What it wrote."""

    metrics: RunMetrics
    """What it was measured to be."""

    @property
    def steps(self) -> int:
        """Environment steps taken."""
        steps = self.record.iterations["step"]
        return int(steps.iloc[-1]) if len(steps) else 0


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed alone."""

    label: str
    """The agent with its methods, and what tells it from others of the same name."""

    runs: list[Run]
    """By seed."""

    scored: list[Run]
    """Those that are long enough to count among the scores."""


@dataclass(frozen=True)
class StreamRuns:
    """All runs in one stream."""

    name: str
    """The stream's, with its settings where there are several of the name."""

    groups: list[Group]
    """In the order of their labels."""


@dataclass(frozen=True)
class Collection:
    """Everything that a report is about."""

    streams: list[StreamRuns]
    """By name."""

    notes: list[str] = field(default_factory=list)
    """What could not be used, or only in part, a sentence each."""


def find_runs(paths: Sequence[str | Path]) -> list[Path]:
    """Return the run folders at or below some folders, each once.

    Args:
        paths: run folders, or folders that hold some.
    """
    found = {
        file.parent.resolve(): file.parent
        for path in paths
        for file in sorted(Path(path).rglob(CONFIG))
    }
    return list(found.values())


def collect(folders: Sequence[Path]) -> Collection:
    """Read runs and group them by stream, agent, methods and settings.

    Args:
        folders: of the runs.
    """
    notes: list[str] = []
    streams: dict[str, dict[str, list[Run]]] = {}
    for folder in folders:
        try:
            record = read_what_there_is(folder, notes)
            run = Run(record, run_metrics(record))
            stream, rest = _identity(record.config)
            seeds = [other.record.seed for other in streams.get(stream, {}).get(rest, [])]
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            notes.append(f"{folder} is left out, it cannot be read: {_sentence(error)}")
            continue
        if record.seed in seeds:
            notes.append(f"{folder} is left out: there is another run of the same with its seed")
            continue
        if run.metrics.curves.empty:
            notes.append(
                f"{folder}: there are no evaluations ({EVALUATIONS} is missing, empty or damaged): "
                "what is made of them leaves it out"
            )
        streams.setdefault(stream, {}).setdefault(rest, []).append(run)
    named = _names({key: json.loads(key) for key in streams}, "name")
    result = [
        StreamRuns(named[key], _groups(named[key], groups, notes))
        for key, groups in sorted(streams.items(), key=lambda item: named[item[0]])
    ]
    return Collection(result, notes)


def read_what_there_is(folder: Path, notes: list[str]) -> Record:
    """Read a run folder, of which tables may be missing.

    Args:
        folder: the run folder.
        notes: gets a sentence for each thing that is missing.

    Raises:
        ValueError: the configuration or a table cannot be read.
    """
    config = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
    if not isinstance(config, dict):
        raise ValueError(f"{CONFIG} holds no settings")
    try:
        status = json.loads((folder / "status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        status = {"state": "unknown"}
        notes.append(f"{folder}: status.json is missing or damaged")
    tables = {}
    for name, columns in _TABLES.items():
        file = folder / f"{name}.csv"
        known = file.is_file() and file.stat().st_size > 0
        table = read_table(file) if known else pd.DataFrame(columns=list(columns))
        if not known:
            notes.append(f"{folder}: {name}.csv is missing or empty")
        if missing := [column for column in columns if column not in table]:
            raise ValueError(f"{name}.csv has no column {missing[0]!r}")
        if table.empty:  # without a row, nothing tells what kind a column is of
            table = table.astype(float)
        if any(table[column].dtype == object for column in columns if column != "segment"):
            raise ValueError(f"{name}.csv holds what is no number")
        tables[name] = table
    state = status.get("state", "unknown") if isinstance(status, dict) else "unknown"
    if state != "finished":
        notes.append(f"{folder} is not finished ({state})")
    return Record(folder=folder, config=config, status=status, **tables)


def _identity(config: Mapping[str, Any]) -> tuple[str, str]:
    """Return the stream and all else that runs of one group have in common, as JSON."""
    rest = {key: config[key] for key in config if key not in (*_NOT_COMPARED, "stream")}
    return (
        json.dumps(config["stream"], sort_keys=True),
        json.dumps(rest, sort_keys=True),
    )


def _groups(stream: str, groups: Mapping[str, list[Run]], notes: list[str]) -> list[Group]:
    longest = max(run.steps for runs in groups.values() for run in runs)
    labels = _names({key: {**json.loads(key), "label": runs[0].record.agent}
                     for key, runs in groups.items()}, "label")  # fmt: skip
    result = []
    for key, runs in sorted(groups.items(), key=lambda item: labels[item[0]]):
        ordered = sorted(runs, key=lambda run: run.record.seed)
        scored = [run for run in ordered if run.steps >= ENOUGH * longest]
        for run in ordered:
            if run not in scored:
                notes.append(
                    f"{run.record.folder} has {run.steps:,} of {longest:,} steps of the longest "
                    f"run in {stream}: it is drawn in curves, and left out of scores and tests"
                )
        result.append(Group(labels[key], ordered, scored))
    return result


def _names(described: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, str]:
    """Return a name for each thing; those of the same name get what tells them apart."""
    names = {key: str(data[name]) for key, data in described.items()}
    flat = {key: dict(_flatten(data)) for key, data in described.items()}
    result = {}
    for key, own in names.items():
        alike = [other for other in names if names[other] == own]
        differing = [
            entry for entry in flat[key]
            if len({repr(flat[other].get(entry)) for other in alike}) > 1
        ]  # fmt: skip
        told = ", ".join(f"{e.split('.')[-1]} {flat[key][e]}" for e in differing[:3])
        result[key] = f"{own} ({told})" if told else own
    return result


def _flatten(data: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    entries: Any = ()
    if isinstance(data, Mapping):
        entries = data.items()
    elif isinstance(data, list):
        entries = enumerate(data)
    else:
        yield name, data
    for key, value in entries:
        yield from _flatten(value, f"{name}.{key}" if name else str(key))


def _sentence(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
