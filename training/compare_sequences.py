"""What `scripts/compare_sequences.py` does: what runs kept of the tasks they learned in turn.

Nothing heavy is imported here, so that the script can answer `--help` at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ..wrappers.errors import SettingsError, unknown
from .settings import require
from .terminal import print_table

if TYPE_CHECKING:
    from ..evaluation.records import Record
    from ..evaluation.sequence_scores import SequenceScores

NAME = "task sequences"
"""What records call it."""

SCORES = ("success", "success_final")
"""What is measured: success at any step of an episode, and at its last one."""


@dataclass(frozen=True)
class CompareSequences:
    """Compare runs that learned the same tasks in turn, as Continual World does.

    Average performance is the success over all tasks at the end; forgetting is what was lost since
    each task's own end, on average over all tasks; forward transfer is how much faster tasks were
    learned than from scratch. An end is the last tenth of a task's training.
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Run folders, or folders that hold some, such as runs/CW3-v0."""

    reference: str | None = None
    """The agent with its methods, such as sac+multi-head, whose runs learn from scratch in their
    first task; forward transfer is measured against them. None: it is left out."""

    output: Path | None = None
    """Where to write the record as JSON lines."""

    figure: Path | None = None
    """Where to draw the success in each task over training, as .png, .svg or .pdf."""

    def check(self) -> None:
        """Raise `SettingsError` for a setting outside of its range."""
        if not self.runs:
            raise SettingsError("compare what? Name a folder of runs, such as runs/CW3-v0")
        if self.figure is not None:
            fits = self.figure.suffix in (".png", ".svg", ".pdf")
            require(self, "figure", fits, "a .png, .svg or .pdf file")


def compare_sequences(settings: CompareSequences) -> list[dict[str, Any]]:
    """Measure runs, print a table, and write what is asked for.

    Args:
        settings: which runs.

    Returns:
        A row of the record for each run of several tasks.

    Raises:
        SettingsError: for settings that cannot be used, and runs that do not compare.
    """
    settings.check()
    from ..evaluation.report.collect import find_runs

    for path in settings.runs:
        if not path.is_dir():
            raise SettingsError(f"there is no folder {path}")
    runs = [_measure(folder) for folder in find_runs(settings.runs)]
    sequences = [run for run in runs if len(run[1]["success"].tasks) > 1]
    if not sequences:
        raise SettingsError("these folders hold no run that has begun a second task")
    plans = {run[1]["success"].tasks + run[1]["success"].lengths for run in sequences}
    if len(plans) > 1:
        raise SettingsError("these runs are of different sequences, or differ in length")
    references = _references(settings, runs, sequences[0][1]["success"].lengths[0])
    rows = sorted(
        (_row(record, scores, references) for record, scores in sequences),
        key=lambda row: (row["methods"], row["seed"]),
    )
    _show(rows)
    if settings.output is not None:
        _write(settings.output, rows, references)
    if settings.figure is not None:
        from ..evaluation.sequence_figure import draw_sequences

        settings.figure.parent.mkdir(parents=True, exist_ok=True)
        draw_sequences(rows, settings.figure)
    return rows


Measured = tuple["Record", dict[str, "SequenceScores"]]
"""A run, and by score what it was measured to be."""


def _measure(folder: Path) -> Measured:
    from ..evaluation.records import read_run
    from ..evaluation.sequence_scores import sequence_scores

    try:
        record = read_run(folder)
        return record, {score: sequence_scores(record, score) for score in SCORES}
    except (OSError, ValueError, LookupError) as error:
        raise SettingsError(
            f"{folder} is no run whose evaluations tell success at any and at the last step"
        ) from error


def _references(
    settings: CompareSequences, runs: Sequence[Measured], length: int
) -> dict[str, Any]:
    """Return by score and task the mean area of runs that learned from scratch."""
    from ..evaluation.sequence_scores import reference_areas

    if settings.reference is None:
        return {score: {} for score in SCORES}
    wanted = settings.reference.replace(" ", "")
    labels = [_label(record) for record, _ in runs]
    if wanted not in labels:
        raise unknown("agent among these runs", wanted, sorted(set(labels)))
    own = [scores for label, (_, scores) in zip(labels, runs, strict=True) if label == wanted]
    return {score: reference_areas([one[score] for one in own], length) for score in SCORES}


def _label(record: Record) -> str:
    return record.agent.replace(" ", "")


def _row(
    record: Record, scores: Mapping[str, SequenceScores], references: Mapping[str, Any]
) -> dict[str, Any]:
    from ..evaluation.sequence_scores import plain_curves, transfers

    def plain(score: str) -> dict[str, Any]:
        found = scores[score]
        gained = transfers(found, references[score])
        known = [one for one in gained if one == one]
        return {
            "performance": found.performance,
            "forgetting": found.forgetting,
            "forward_transfer": fmean(known) if known else None,
            "forward_transfers": [one if one == one else None for one in gained],
            "learned": list(found.learned),
            "kept": list(found.kept),
            "areas": list(found.areas),
            "curves": plain_curves(found.curves),
        }

    return {
        "methods": _label(record),
        "seed": record.seed,
        "tasks": list(scores["success"].tasks),
        "lengths": list(scores["success"].lengths),
        **{score: plain(score) for score in SCORES},
        **_origin(record),
        "config": {key: value for key, value in record.config.items() if key != "seed"},
    }


def _origin(record: Record) -> dict[str, Any]:
    """Return the commit that a run was begun with, and how often it was started to go on."""
    try:
        stamp = json.loads((record.folder / "stamp.json").read_text(encoding="utf-8"))
        commit = stamp["git"]["commit"]
        return {"commit": str(commit), "continued": len(stamp.get("continued", ()))}
    except (OSError, ValueError, LookupError, TypeError):
        return {"commit": None, "continued": None}


def _write(file: Path, rows: Sequence[Mapping[str, Any]], references: Mapping[str, Any]) -> None:
    from .benchmark.rounds import write_record

    try:
        write_record(file, {"benchmark": NAME, "references": dict(references)}, rows)
    except OSError as error:
        reason = error.strerror or error
        raise SettingsError(f"cannot write {file}: {reason}") from error


def summarize(rows: Sequence[Mapping[str, Any]], score: str) -> list[dict[str, Any]]:
    """Return what a method's runs came to, on average over its runs.

    Args:
        rows: of the record.
        score: "success" or "success_final".
    """
    found: list[dict[str, Any]] = []
    for name in dict.fromkeys(row["methods"] for row in rows):
        own = [row[score] for row in rows if row["methods"] == name]
        gained = [one["forward_transfer"] for one in own if one["forward_transfer"] is not None]
        found.append(
            {
                "methods": name,
                "seeds": len(own),
                "performance": fmean(one["performance"] for one in own),
                "forgetting": fmean(one["forgetting"] for one in own),
                "forward_transfer": fmean(gained) if gained else None,
                "learned": [fmean(one) for one in zip(*(o["learned"] for o in own), strict=True)],
                "kept": [fmean(one) for one in zip(*(o["kept"] for o in own), strict=True)],
            }
        )
    return found


def _show(rows: Sequence[Mapping[str, Any]]) -> None:
    words = {"success": "success at any step", "success_final": "success at the last step"}
    tasks = rows[0]["tasks"]
    numbers = ["seeds", "performance", "forgetting", "forward transfer", *dict.fromkeys(tasks)]
    for score, told in words.items():
        print(f"{told}; of each task at its own end and at the end of all")
        cells = []
        for one in summarize(rows, score):
            gained = one["forward_transfer"]
            last = {task: place for place, task in enumerate(tasks)}
            cells.append(
                [
                    one["methods"],
                    str(one["seeds"]),
                    f"{one['performance']:.2f}",
                    f"{one['forgetting']:.2f}",
                    "" if gained is None else f"{gained:.2f}",
                    *(f"{one['learned'][i]:.2f} {one['kept'][i]:.2f}" for i in last.values()),
                ]
            )
        print_table(["methods", *numbers], cells, right=numbers)
