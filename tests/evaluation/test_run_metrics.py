from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from everlearn.evaluation.records import read_run
from everlearn.evaluation.run_metrics import (
    EVALUATIONS,
    read_evaluations,
    run_metrics,
    task_segments,
)


def test_each_segment_is_of_the_task_with_its_context(make_run: Any) -> None:
    record = make_run([1.0, -0.5, 1.0])
    segments = task_segments(record, read_evaluations(record))
    assert segments["task"].tolist() == ["wind=1", "wind=-0.5", "wind=1"]
    assert segments["end"].tolist() == [1000, 2000, 3000]


def test_contexts_that_are_not_evaluated_are_tasks_of_their_own(make_run: Any) -> None:
    record = make_run([1.0, 2.0, 3.0, 2.0])
    evaluations = read_evaluations(record)
    known = evaluations[evaluations["context/wind"] == 1.0]
    segments = task_segments(record, known)
    assert segments["task"].tolist() == ["wind=1", "segment 1", "segment 2", "segment 1"]


def test_a_world_under_two_numbers_is_one_task(make_run: Any) -> None:
    record = make_run([0.0, 1.0, 2.0])
    record.config["stream"]["worlds"] = ["Push-v3", "Reach-v3", "Push-v3"]
    renamed = {"context/wind": "context/task"}
    evaluations = read_evaluations(record).rename(columns=renamed)
    record = replace(record, changes=record.changes.rename(columns=renamed))
    evaluations["task"] = evaluations["context/task"].map({0.0: "Push", 1.0: "Reach"})
    segments = task_segments(record, evaluations.dropna(subset="task"))
    assert segments["task"].tolist() == ["Push", "Reach", "Push"]


def test_metrics_are_those_of_the_curves(make_run: Any) -> None:
    record = make_run([1.0, 2.0, 3.0])
    found = run_metrics(record)
    curves = read_evaluations(record).groupby(["step", "task"])["return"].mean().unstack()
    ends = curves.loc[[1000, 2000, 3000], ["wind=1", "wind=2", "wind=3"]].to_numpy()
    np.testing.assert_allclose(found.ends, ends)
    forgotten = np.diag(ends) - ends[-1]
    value = found.table["value"]
    assert value["forgetting"] == pytest.approx(forgotten.mean())
    assert value["backward_transfer"] == pytest.approx(-forgotten[:2].mean())
    assert value["coverage"] == 1.0
    assert value["average_performance"] == pytest.approx(curves.tail(5).mean().mean())
    assert found.table.loc["cora_forgetting", ["n", "of"]].tolist() == [3, 3]
    assert found.table.loc["cora_zero_shot_transfer", ["n", "of"]].tolist() == [3, 3]
    assert found.table.loc["plasticity_slope", ["n", "of"]].tolist() == [3, 3]
    assert found.table["value"].drop("repeated_task_slope").notna().all()


def test_the_score_is_the_best_that_every_row_has(make_run: Any) -> None:
    assert run_metrics(make_run([1.0], seed=0)).score == "return"
    assert run_metrics(make_run([1.0], seed=1, scores=("return", "success"))).score == "success"
    record = make_run([1.0], seed=2, scores=("return", "normalized"))
    assert run_metrics(record).score == "normalized"
    assert run_metrics(record, "return").score == "return"


def test_the_present_context_is_no_task(make_run: Any) -> None:
    record = make_run([1.0, 2.0])
    file = record.folder / EVALUATIONS
    table = pd.read_csv(file)
    current = table[table["task"] == "wind=1"].assign(task="current")
    pd.concat([table, current]).to_csv(file, index=False)
    found = run_metrics(record)
    assert list(found.curves) == ["wind=1", "wind=2"]
    assert found.segments["task"].tolist() == ["wind=1", "wind=2"]


def test_an_evaluation_an_iteration_before_the_end_is_the_end(make_run: Any) -> None:
    record = make_run([1.0, 2.0], every=3)
    # The newest before step 1000 is at 900, one iteration of 100 earlier; before 2000 it is 1800.
    ends = run_metrics(record).ends
    assert ends.notna().to_numpy().tolist() == [[True, True], [False, False]]


@pytest.mark.parametrize(
    "content", [None, "", "iteration,step,segment,task,episode,return,length\n"]
)
def test_a_run_without_evaluations_has_metrics_without_values(
    make_run: Any, content: str | None
) -> None:
    record = make_run([1.0, 2.0])
    file = record.folder / EVALUATIONS
    file.unlink()
    if content is not None:
        file.write_text(content)
    found = run_metrics(record)
    whole = run_metrics(make_run([1.0, 2.0], seed=1))
    assert list(found.table.index) == list(whole.table.index)
    assert found.table["value"].isna().all()
    assert (found.table["n"] == 0).all()
    assert found.segments["task"].tolist() == ["segment 0", "segment 1"]


def test_a_run_whose_copies_differ_has_curves_and_no_segments(make_run: Any) -> None:
    record = make_run([1.0, 2.0])
    iterations = pd.read_csv(record.folder / "iterations.csv").assign(**{"stream/copies_differ": 1})
    iterations.to_csv(record.folder / "iterations.csv", index=False)
    found = run_metrics(read_run(record.folder))
    assert found.segments.empty
    assert len(found.curves) == 21
    assert np.isnan(found.table.loc["forgetting", "value"])
    assert found.table.loc["windowed_forgetting_10", "n"] == 2


def test_a_row_that_was_cut_off_is_left_out(make_run: Any) -> None:
    record = make_run([1.0, 2.0])
    whole = read_evaluations(record)
    file = record.folder / EVALUATIONS
    text = file.read_text()
    start = text.rstrip().rindex("\n") + 1
    for kept in range(len(text) - start - 2):
        file.write_text(text[: start + kept])
        assert len(read_evaluations(record)) in (len(whole) - 1, len(whole))
    file.write_text(text[: start + 5])
    assert len(read_evaluations(record)) == len(whole) - 1
    assert run_metrics(record).table["value"].notna().any()


def test_the_end_of_a_run_is_of_its_last_segment(make_run: Any) -> None:
    record = make_run([1.0, 2.0], every=5)
    curves = read_evaluations(record).groupby(["step", "task"])["return"].mean().unstack()
    # Of the evaluations at 0, 500, 1000, 1500 and 2000, two are of the last segment.
    found = run_metrics(record).table.loc["average_performance", "value"]
    assert found == pytest.approx(curves.loc[[1500, 2000]].mean().mean())
