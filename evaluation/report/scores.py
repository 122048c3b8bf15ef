"""One number a run, and what it says of groups of runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..statistics.aggregates import interquartile_mean, mean_of_tasks, median_of_tasks
from ..statistics.bootstrap import Interval, bootstrap
from .collect import Group


def final_scores(groups: Sequence[Group]) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Return each group's scores at the end: a row a seed, a column a task.

    Args:
        groups: of one stream.

    Returns:
        By label, of the seeds that have all tasks; and a sentence for each run left out.
    """
    tables, notes = {}, []
    for group in groups:
        rows = {}
        for run in group.scored:
            curves = run.metrics.curves
            if len(curves):
                rows[run.record.seed] = curves.ffill().iloc[-1]
        table = pd.DataFrame(rows).T
        if len(table):
            for seed in table.index[table.isna().any(axis=1)]:
                notes.append(f"{group.label}, seed {seed}: a task was never evaluated")
            table = table.dropna()
        if len(table):
            tables[group.label] = table
    return tables, notes


def aggregates(tables: dict[str, pd.DataFrame]) -> dict[str, dict[str, Interval]]:
    """Return aggregate scores with intervals, by label and name.

    Args:
        tables: from `final_scores`.
    """
    statistics = {"IQM": interquartile_mean, "mean": mean_of_tasks, "median": median_of_tasks}
    return {
        label: {name: bootstrap(one, table.to_numpy()) for name, one in statistics.items()}
        for label, table in tables.items()
    }


def mean_returns(groups: Sequence[Group]) -> dict[str, pd.Series]:
    """Return each run's mean episode return over its whole life, by seed.

    Args:
        groups: of one stream.
    """
    found = {
        group.label: pd.Series(
            {
                run.record.seed: float(run.record.episodes["return"].mean())
                for run in group.scored
                if len(run.record.episodes)
            },
            dtype=float,
        )
        for group in groups
    }
    return {label: series for label, series in found.items() if len(series)}


def metric_rows(groups: Sequence[Group]) -> pd.DataFrame:
    """Return every metric of every group: mean over runs, interval, and how many runs have it.

    Args:
        groups: of one stream.
    """
    rows = []
    for group in groups:
        tables = [run.metrics.table["value"] for run in group.scored]
        if not tables:
            continue
        for metric, values in pd.concat(tables, axis=1).iterrows():
            known = values.dropna().to_numpy(dtype=float)
            found = bootstrap(mean_of_tasks, known[:, None]) if len(known) else None
            rows.append(
                {
                    "agent": group.label,
                    "metric": metric,
                    "value": np.nan if found is None else float(found.value),
                    "low": np.nan if found is None else float(found.low),
                    "high": np.nan if found is None else float(found.high),
                    "n": len(known),
                    "of": len(values),
                }
            )
    return pd.DataFrame(rows, columns=["agent", "metric", "value", "low", "high", "n", "of"])


def compute_rows(groups: Sequence[Group]) -> pd.DataFrame:
    """Return what runs cost, by group; runs without a table of iterations don't tell.

    Args:
        groups: of one stream.
    """
    rows = []
    for group in groups:
        for run in group.runs:
            table = run.record.iterations
            if table.empty:
                continue
            seconds = table.get("time/time_elapsed", pd.Series(dtype=float)).max()
            rows.append(
                {
                    "agent": group.label,
                    "seed": run.record.seed,
                    "state": run.record.status.get("state", "unknown"),
                    "steps": run.steps,
                    "iterations": len(table),
                    "episodes": len(run.record.episodes),
                    "seconds": float(seconds),
                    "steps_per_second": run.steps / seconds if seconds and seconds > 0 else np.nan,
                }
            )
    return pd.DataFrame(rows)
