from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from everlearn.evaluation.exports.tidy import (
    export_tidy,
    score_tables,
    tidy_evaluations,
    tidy_scores,
)
from everlearn.evaluation.run_metrics import EVALUATIONS, read_evaluations, run_metrics
from everlearn.evaluation.statistics.aggregates import interquartile_mean


def test_a_row_is_one_evaluation_of_one_task(make_run: Any) -> None:
    records = [make_run([1.0, 2.0], seed=seed) for seed in (0, 1)]
    table = tidy_evaluations(records)
    assert len(table) == 2 * 21 * 2
    row = table.iloc[-1]
    assert row[["stream", "agent", "seed"]].tolist() == ["everlearn/Windy-v0", "ppo", 1]
    assert row[["trained_segment", "trained_task", "task"]].tolist() == [1, "wind=2", "wind=2"]
    raw = read_evaluations(records[1])
    own = raw[(raw["step"] == row["step"]) & (raw["task"] == row["task"])]
    assert row["return"] == pytest.approx(own["return"].mean())
    assert row["episodes"] == 2
    # Before the first step nothing is in training.
    assert table["trained_task"].iloc[0] is None or pd.isna(table["trained_task"].iloc[0])


def test_rliable_takes_the_scores(make_run: Any) -> None:
    records = [make_run([1.0, 2.0, 3.0], seed=seed) for seed in range(4)]
    tables = score_tables(tidy_scores(records))
    assert {agent: table.shape for agent, table in tables.items()} == {"ppo": (4, 3)}
    last = [run_metrics(record).curves.iloc[-1] for record in records]
    np.testing.assert_allclose(tables["ppo"], last)
    assert np.isfinite(interquartile_mean(tables["ppo"]))


def test_a_run_that_lacks_a_task_keeps_its_row(make_run: Any) -> None:
    records = [make_run([1.0, 2.0], seed=0), make_run([1.0], seed=1)]
    table = score_tables(tidy_scores(records))["ppo"]
    assert np.isnan(table).tolist() == [[False, False], [False, True]]


def test_files_are_read_back(make_run: Any, tmp_path: Path) -> None:
    records = [make_run([1.0, 2.0])]
    files = export_tidy(records, tmp_path / "out")
    evaluations, scores = (pd.read_csv(file) for file in files)
    assert len(evaluations) == len(tidy_evaluations(records))
    np.testing.assert_allclose(scores["score"], tidy_scores(records)["score"])


def test_runs_without_evaluations_have_no_rows(make_run: Any) -> None:
    record = make_run([1.0])
    (record.folder / EVALUATIONS).unlink()
    assert tidy_evaluations([record]).empty
    assert score_tables(tidy_scores([record])) == {}


def test_runs_of_other_settings_are_not_pooled(make_run: Any) -> None:
    records = [make_run([1.0, 2.0], seed=seed) for seed in range(3)]
    records[2].config["hash"] = "other"
    tables = score_tables(tidy_scores(records))
    shapes = {agent: table.shape for agent, table in tables.items()}
    assert shapes == {"ppo (0123456789)": (2, 2), "ppo (other)": (1, 2)}
