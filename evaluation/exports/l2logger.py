"""Runs as l2logger writes them, so that l2metrics can compute its metrics on them.

l2metrics 3.1.0 stops with numpy 2 at `np.NaN` in nearly every real run. It works with
`numpy.NaN = numpy.nan` before its import:

    python -c "import numpy, runpy; numpy.NaN = numpy.nan;
    runpy.run_module('l2metrics', run_name='__main__')" -l FOLDER -p return --no-plot
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..metrics.curves import in_segments
from ..records import Record
from ..run_metrics import CURRENT, iteration_steps, read_evaluations, task_segments
from .times import seconds_at, start_of

ScenarioType = Literal["condensed", "dispersed", "permuted", "alternating", "ste", "custom"]
"""What l2metrics knows; "ste" is a run that learned one task alone."""

WORKER = "everlearn"

_COLUMNS = [
    "block_num",
    "exp_num",
    "worker_id",
    "block_type",
    "block_subtype",
    "task_name",
    "task_params",
    "exp_status",
    "timestamp",
    "episode_step_count",
    "return",
]


def export_l2logger(
    record: Record, folder: str | Path, scenario_type: ScenarioType = "custom"
) -> Path:
    """Write a run in l2logger's format, version 1.1.

    Args:
        record: the run.
        folder: in which the run gets a folder of its own; what was there of the run is replaced.
        scenario_type: "ste" for a run that learned one task alone, from which l2metrics takes its
            single-task experts.

    Returns:
        The run's folder there, which l2metrics takes as `-l`.

    Raises:
        ValueError: the run has neither a finished episode in a segment nor an evaluation.
    """
    log = l2logger_log(record)
    if log.empty:
        raise ValueError(f"{record.folder} has no episode and no evaluation to export")
    words = (record.stream, record.agent, record.config.get("hash", ""), f"seed{record.seed}")
    name = re.sub(r"[^0-9a-zA-Z.+]+", "-", "-".join(word for word in words if word))
    scenario = Path(folder) / name
    scenario.mkdir(parents=True, exist_ok=True)
    for old in scenario.glob(f"{WORKER}/*/data-log.tsv"):
        old.unlink()
    _write_json(
        scenario / "logger_info.json", {"metrics_columns": ["return"], "log_format_version": "1.1"}
    )
    about = {"stream": record.stream, "agent": record.agent, "seed": record.seed}
    # Of complexity and difficulty, which l2metrics copies into its report, nothing is known.
    _write_json(scenario / "scenario_info.json", {"scenario_type": scenario_type, **about})
    for (number, kind), rows in log.groupby(["block_num", "block_type"]):
        block = scenario / WORKER / f"{number}-{kind}"
        block.mkdir(parents=True, exist_ok=True)
        rows[_COLUMNS].to_csv(block / "data-log.tsv", sep="\t", index=False)
    return scenario


def l2logger_log(record: Record) -> pd.DataFrame:
    """Return a run's life as blocks of learning and of evaluation.

    A learning block holds the episodes that ended in a segment; those that began in an earlier one
    are incomplete, which l2metrics leaves out. Before the first and after each there is a block of
    evaluation of all tasks, where they were evaluated at the end of the segment: within its last
    tenth, or an iteration of its end. Other evaluations would cut learning blocks in two.

    Args:
        record: the run.

    Returns:
        One row an episode, with l2logger's columns, `return` and `episode_step_count`, and `task`,
        the name that `task_name` stands for.
    """
    evaluations = read_evaluations(record)
    segments = task_segments(record, evaluations)
    evaluations = evaluations[evaluations["task"] != CURRENT]
    chosen = _boundaries(record, evaluations, segments)
    parts = [_evaluation_block(evaluations, chosen.get(-1), 0)]
    whole = record.episode_segments().notna() & ~record.copies_differ
    for place, segment in enumerate(segments.itertuples()):
        rows = record.episodes["segment"] == segment.segment
        block = record.episodes[rows].assign(task=segment.task, complete=whole[rows])
        parts.append(block.assign(block_num=2 * place + 1, block_type="train"))
        parts.append(_evaluation_block(evaluations, chosen.get(place), 2 * place + 2))
    known = [part for part in parts if len(part)]
    if not known:
        return pd.DataFrame(columns=[*_COLUMNS, "task"])
    log = pd.concat(known, ignore_index=True)
    log = log.assign(
        exp_num=range(len(log)),
        worker_id=WORKER,
        block_subtype="wake",
        task_name=log["task"].map(task_names(log["task"])),
        task_params="{}",
        exp_status=np.where(log["complete"].astype(bool), "complete", "incomplete"),
        timestamp=_timestamps(record, log["step"]),
        episode_step_count=log["length"].astype(int),
    )
    return log[[*_COLUMNS, "task"]]


def task_names(tasks: pd.Series) -> dict[str, str]:
    """Return names that l2metrics can read for tasks: letters and digits, `<task>_<variant>`.

    Args:
        tasks: names; what they share after losing all else is told apart by the variant.

    Example:
        >>> task_names(pd.Series(["wind=-0.5", "Hammer-v3", "Hammer_v3"])).values()
        dict_values(['windm0p5_1', 'hammerv3_1', 'hammerv3_2'])
    """
    names: dict[str, str] = {}
    taken: dict[str, int] = {}
    for task in pd.unique(tasks):
        spelled = re.sub(r"(?<=\d)\.(?=\d)", "p", re.sub(r"(?<![\w])-(?=\d)", "m", str(task)))
        label = re.sub(r"[^0-9a-zA-Z]", "", spelled).lower() or "task"
        taken[label] = taken.get(label, 0) + 1
        names[task] = f"{label}_{taken[label]}"
    return names


def _boundaries(
    record: Record, evaluations: pd.DataFrame, segments: pd.DataFrame
) -> dict[int, int]:
    """Return the step of the evaluation at the end of each segment, by place; -1 for before."""
    steps = pd.DataFrame(index=np.unique(evaluations["step"]))
    if segments.empty:
        return {}
    chosen = {}
    before = steps.index[steps.index <= segments["start"].iloc[0]]
    if len(before):
        chosen[-1] = int(before[-1])
    for step, place in zip(steps.index, in_segments(steps, segments), strict=True):
        if place >= 0:
            start, end = segments[["start", "end"]].iloc[place]
            if step >= end - max(0.1 * (end - start), iteration_steps(record)):
                chosen[int(place)] = int(step)
    return chosen


def _evaluation_block(evaluations: pd.DataFrame, step: int | None, number: int) -> pd.DataFrame:
    rows = evaluations[evaluations["step"] == step] if step is not None else evaluations.iloc[:0]
    rows = rows[["step", "task", "return", "length"]]
    return rows.assign(complete=True, block_num=number, block_type="test")


def _timestamps(record: Record, steps: pd.Series) -> list[str]:
    began = start_of(record)
    when = [began + timedelta(seconds=seconds) for seconds in seconds_at(record, steps)]
    return [moment.strftime("%Y%m%dT%H%M%S.%f") for moment in when]


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
