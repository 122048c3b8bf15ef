from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from everlearn.evaluation.records import read_run, read_table, segments_of

CONFIG = {
    "seed": 3,
    "agent": "ppo",
    "stream": {"name": "everlearn/SlipperyAnt-v0"},
    "methods": [{"name": "continual-backprop", "replacement_rate": 1e-4}],
}


def test_a_run_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (tmp_path / "status.json").write_text(json.dumps({"state": "running", "steps": 100}))
    (tmp_path / "iterations.csv").write_text("iteration,step,train/loss\n1,100,0.5\n")
    (tmp_path / "episodes.csv").write_text("step,env,return,length,truncated,segment\n")
    record = read_run(tmp_path)
    assert record.stream == "everlearn/SlipperyAnt-v0"
    assert record.agent == "ppo + continual-backprop"
    assert record.seed == 3
    assert record.status["state"] == "running"
    assert record.iterations["train/loss"].tolist() == [0.5]
    assert record.episodes.empty
    assert record.segments().empty


def test_a_folder_that_holds_no_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"config\.yaml"):
        read_run(tmp_path)


def test_numbers_are_read_bit_for_bit(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=1000).tolist()
    (tmp_path / "t.csv").write_text("\n".join(["a", *map(repr, numbers)]))
    assert read_table(tmp_path / "t.csv")["a"].tolist() == numbers


def test_columns_keep_their_kind(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("whole,late,empty,word\n1,,,push\n2,0.5,,reach\n")
    table = read_table(tmp_path / "t.csv")
    assert [table[name].dtype.kind for name in ("whole", "late", "empty")] == ["i", "f", "f"]
    assert table["word"].tolist() == ["push", "reach"]


def test_segments_begin_where_the_world_changed_and_not_where_an_iteration_ended() -> None:
    rows = pd.DataFrame(
        {
            "step": [100, 200, 300, 400],
            "stream/segment": [0.0, 0.0, 1.0, 3.0],
            "stream/steps_since_change": [100.0, 200.0, 80.0, 20.0],
            "stream/friction": [1.0, 1.0, 0.1, 0.5],
            "train/loss": [0.0, 0.0, 0.0, 0.0],
        }
    )
    assert segments_of(rows).to_dict("records") == [
        {"segment": 0, "start": 0, "end": 220, "context": {"friction": 1.0}},
        {"segment": 1, "start": 220, "end": 380, "context": {"friction": 0.1}},
        {"segment": 3, "start": 380, "end": 400, "context": {"friction": 0.5}},
    ]


def test_a_world_without_a_stream_has_no_segments() -> None:
    assert segments_of(pd.DataFrame({"step": [1, 2]})).empty
    assert segments_of(pd.DataFrame({"step": [], "stream/segment": []})).empty
