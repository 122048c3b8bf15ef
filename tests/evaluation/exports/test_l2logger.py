from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from everlearn.evaluation.exports.l2logger import export_l2logger, l2logger_log, task_names
from everlearn.evaluation.metrics.lifelong import lifelong_metrics
from everlearn.evaluation.metrics.lifelong_blocks import preprocess, read_blocks
from everlearn.evaluation.run_metrics import EVALUATIONS


def read_back(folder: Path) -> pd.DataFrame:
    """As l2metrics does: all files, in the order of experiences."""
    parts = [pd.read_csv(file, sep="\t") for file in folder.rglob("data-log.tsv")]
    return pd.concat(parts).sort_values(["exp_num", "block_num"], ignore_index=True)


def test_a_life_alternates_between_evaluation_and_learning(make_run: Any) -> None:
    log = l2logger_log(make_run([1.0, 2.0, 1.0]))
    blocks = read_blocks(log)
    assert [(block.kind, block.task) for block in blocks] == [
        (kind, task)
        for trained in (None, "wind1_1", "wind2_1", "wind1_1")
        for kind, task in [("train", trained), ("test", "wind1_1"), ("test", "wind2_1")]
        if task
    ]
    assert [len(block.scores) for block in blocks if block.kind == "test"] == [2] * 8


def test_the_files_are_in_the_format(make_run: Any, tmp_path: Path) -> None:
    record = make_run([1.0, 2.0])
    folder = export_l2logger(record, tmp_path / "out")
    log = read_back(folder)
    assert log["exp_num"].tolist() == list(range(len(log)))
    assert log["block_num"].is_monotonic_increasing
    assert set(log["block_type"]) == {"train", "test"}
    assert log["task_name"].str.fullmatch("[0-9a-z]+_[0-9a-z]+").all()
    pd.to_datetime(log["timestamp"], format="%Y%m%dT%H%M%S.%f")
    assert log["timestamp"].iloc[0] == "20261121T130000.000000"
    info = json.loads((folder / "logger_info.json").read_text())
    assert set(info["metrics_columns"]) <= set(log.columns)
    assert json.loads((folder / "scenario_info.json").read_text())["scenario_type"] == "custom"
    names = {file.parent.name for file in folder.rglob("data-log.tsv")}
    assert names == {"0-test", "1-train", "2-test", "3-train", "4-test"}


def test_episodes_across_a_change_are_incomplete(make_run: Any) -> None:
    record = make_run([1.0, 2.0])
    log = l2logger_log(record)
    across = log[log["exp_status"] == "incomplete"]
    # Those that end at 1020 began at 960.
    assert len(across) == 2
    assert set(across["block_num"]) == {3}
    assert len(log[log["block_type"] == "train"]) == len(record.episodes)


def test_what_was_exported_is_replaced(make_run: Any, tmp_path: Path) -> None:
    export_l2logger(make_run([1.0, 2.0, 1.0]), tmp_path / "out")
    shorter = make_run([1.0], seed=1)
    shorter.config["seed"] = 0
    folder = export_l2logger(shorter, tmp_path / "out")
    assert read_back(folder)["block_num"].max() == 2


def test_evaluations_far_from_an_end_are_left_out(make_run: Any) -> None:
    log = l2logger_log(make_run([1.0, 2.0], every=3))
    assert sorted(set(log.loc[log["block_type"] == "test", "block_num"])) == [0, 2]


def test_a_run_without_evaluations_has_learning_blocks(make_run: Any, tmp_path: Path) -> None:
    record = make_run([1.0, 2.0])
    (record.folder / EVALUATIONS).unlink()
    log = l2logger_log(record)
    assert set(log["task_name"]) == {"segment0_1", "segment1_1"}
    assert lifelong_metrics(preprocess(read_blocks(log), {})[0]).lifetime["avg_train_perf"].n == 2
    assert export_l2logger(record, tmp_path / "out").exists()


def test_a_run_in_which_nothing_happened_is_refused(make_run: Any, tmp_path: Path) -> None:
    record = make_run([1.0])
    (record.folder / EVALUATIONS).unlink()
    record = replace(record, episodes=record.episodes.iloc[:0])
    with pytest.raises(ValueError, match="no episode"):
        export_l2logger(record, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_names_stay_apart() -> None:
    tasks = pd.Series(["wind=0.5", "wind=05", "wind=-0.5", "a_b", "A-B", "%"])
    names = task_names(tasks)
    assert len(set(names.values())) == 6
    assert names["wind=0.5"] == "wind0p5_1"
    assert names["%"] == "task_1"
