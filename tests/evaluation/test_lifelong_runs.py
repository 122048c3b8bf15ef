"""Holds our figures of a real run to those of the public l2metrics on its export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from everlearn.evaluation.exports.l2logger import export_l2logger, l2logger_log
from everlearn.evaluation.lifelong_runs import lifelong_run_metrics
from everlearn.evaluation.metrics.lifelong_blocks import block_table, preprocess, read_blocks
from everlearn.evaluation.records import Record, read_run

DATA = Path(__file__).parent.parent / "data"
EXPECTED: dict[str, Any] = json.loads((DATA / "l2metrics_three_tasks.json").read_text())
OPTIONS: dict[str, Any] = {
    "defaults": {},
    "raw": {"smoothing": False, "normalization": "none"},
}


@pytest.fixture(scope="module")
def life() -> Record:
    return read_run(DATA / "three_tasks" / "life")


@pytest.fixture(scope="module")
def experts() -> list[Record]:
    folders = sorted((DATA / "three_tasks").glob("alone_*"))
    assert len(folders) == 3
    return [read_run(folder) for folder in folders]


def same(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(
        np.asarray(found, dtype=float), np.asarray(expected, dtype=float), rtol=1e-6
    )


@pytest.mark.parametrize("options", OPTIONS)
def test_a_real_life_is_l2metrics(life: Record, experts: list[Record], options: str) -> None:
    expected = EXPECTED[options]
    found = lifelong_run_metrics(life, experts, **OPTIONS[options])
    for metric, measured in found.lifetime.items():
        same(measured.value, expected[metric])
    log = l2logger_log(life)
    names = dict(zip(log["task"], log["task_name"], strict=True))
    assert len(names) == 3
    for task, metrics in found.tasks.iterrows():
        theirs = expected["task_metrics"][names[task]]
        for metric, value in metrics.items():
            same(value, theirs[metric])
        for form, both in found.transfer.items():
            for direction, pairs in both._asdict().items():
                own = {names[other]: v for (source, other), v in pairs.items() if source == task}
                stored = theirs[f"{direction}_transfer_{form}"]
                assert own.keys() == stored.keys()
                for other, values in own.items():
                    same(values, stored[other])


@pytest.mark.parametrize("options", OPTIONS)
def test_the_files_hold_what_l2metrics_read(life: Record, tmp_path: Path, options: str) -> None:
    folder = export_l2logger(life, tmp_path)
    parts = [pd.read_csv(file, sep="\t") for file in folder.rglob("data-log.tsv")]
    log = pd.concat(parts).sort_values(["exp_num", "block_num"], ignore_index=True)
    blocks, _ = preprocess(read_blocks(log), {}, **OPTIONS[options])
    stored = pd.DataFrame(EXPECTED[options]["regimes"], columns=EXPECTED[options]["regime_columns"])
    found = block_table(blocks)
    assert found["task_name"].tolist() == stored["task_name"].tolist()
    for name in found.columns[2:]:
        same(found[name], stored[name])


def test_fixed_ranges_make_lives_comparable(life: Record) -> None:
    tasks = lifelong_run_metrics(life).tasks.index
    ranges = dict.fromkeys(tasks, (0.0, 1000.0))
    raw = lifelong_run_metrics(life, smoothing=False, normalization="none").lifetime
    fixed = lifelong_run_metrics(life, smoothing=False, ranges=ranges).lifetime
    scaled = raw["avg_eval_perf"].value / 10 + 1
    assert fixed["avg_eval_perf"].value == pytest.approx(scaled)
