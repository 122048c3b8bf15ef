"""Runs as tidy tables, one observation a row, that pandas, seaborn and rliable take as they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..metrics.curves import in_segments
from ..records import Record
from ..run_metrics import CURRENT, read_evaluations, run_metrics, task_segments

RUN_COLUMNS = ["stream", "agent", "hash", "seed"]
"""What a row says of its run."""


def export_tidy(records: Sequence[Record], folder: str | Path) -> list[Path]:
    """Write runs as two tidy CSV files.

    `evaluations.csv` is `tidy_evaluations`, and `scores.csv` is `tidy_scores`.

    Args:
        records: the runs.
        folder: where to write; files of these names are replaced.

    Returns:
        The files.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    tables = {"evaluations": tidy_evaluations(records), "scores": tidy_scores(records)}
    for name, table in tables.items():
        table.to_csv(place / f"{name}.csv", index=False, lineterminator="\n")
    return [place / f"{name}.csv" for name in tables]


def tidy_evaluations(records: Sequence[Record]) -> pd.DataFrame:
    """Return a row for each run, evaluation and task, with the mean over its episodes.

    Args:
        records: the runs.

    Returns:
        `stream`, `agent`, `hash`, `seed`, `step`, `trained_segment` and `trained_task` (those that
        training was in, up to this step), `task`, `episodes`, and the means `return`, `length`,
        `success` and `normalized` as far as they were written down.
    """
    parts = []
    for record in records:
        evaluations = read_evaluations(record)
        segments = task_segments(record, evaluations)
        means = _means(evaluations[evaluations["task"] != CURRENT])
        place = in_segments(means.set_index("step"), segments)
        trained = segments[["segment", "task"]].reindex(place).reset_index(drop=True)
        means.insert(1, "trained_segment", trained["segment"].astype("Int64"))
        means.insert(2, "trained_task", trained["task"])
        parts.append(_told(record, means))
    return _joined(parts, [*RUN_COLUMNS, "step", "trained_segment", "trained_task", "task"])


def tidy_scores(records: Sequence[Record], score: str | None = None) -> pd.DataFrame:
    """Return a row for each run and task with its score at the end of the run.

    Args:
        records: the runs.
        score: the column of the evaluations, as in `run_metrics`.

    Returns:
        `stream`, `agent`, `hash`, `seed`, `task`, `measure` (which score it is) and `score`; NaN
        where the task was not evaluated at the end.
    """
    parts = []
    for record in records:
        found = run_metrics(record, score)
        last = found.curves.iloc[-1] if len(found.curves) else pd.Series(dtype=float)
        rows = pd.DataFrame({"task": last.index, "measure": found.score, "score": last.to_numpy()})
        parts.append(_told(record, rows))
    return _joined(parts, [*RUN_COLUMNS, "task", "measure", "score"])


def score_tables(scores: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return what rliable takes: for each agent its scores by run and task.

    Args:
        scores: from `tidy_scores`, of one stream.

    Returns:
        By agent, (runs, tasks), with the tasks of all in one order; NaN where a run has none. An
        agent with several settings counts as several, with the `hash` in their names.

    Example:
        >>> rows = {"agent": ["ppo"] * 4, "hash": "0", "seed": [0, 0, 1, 1],
        ...         "task": ["a", "b"] * 2, "score": [0.1, 0.2, 0.3, 0.4]}
        >>> score_tables(pd.DataFrame(rows))["ppo"].tolist()
        [[0.1, 0.2], [0.3, 0.4]]
    """
    tasks = pd.unique(scores["task"])
    tables = {}
    several = scores.groupby("agent")["hash"].nunique() > 1
    for (agent, settings), rows in scores.groupby(["agent", "hash"], sort=False):
        table = rows.pivot(index="seed", columns="task", values="score")
        name = f"{agent} ({settings})" if several[agent] else str(agent)
        tables[name] = table.reindex(columns=tasks).to_numpy(dtype=float)
    return tables


def _means(evaluations: pd.DataFrame) -> pd.DataFrame:
    scores = [name for name in ("return", "length", "success", "normalized") if name in evaluations]
    groups = evaluations.groupby(["step", "task"], sort=False)
    means = groups[scores].mean()
    means.insert(0, "episodes", groups.size())
    return means.reset_index()


def _told(record: Record, rows: pd.DataFrame) -> pd.DataFrame:
    told = {"stream": record.stream, "agent": record.agent, "hash": record.config.get("hash", "")}
    return pd.concat([pd.DataFrame({**told, "seed": record.seed}, index=rows.index), rows], axis=1)


def _joined(parts: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    known = [part for part in parts if len(part)]
    return pd.concat(known, ignore_index=True) if known else pd.DataFrame(columns=list(columns))
