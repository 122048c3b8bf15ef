from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from everlearn.evaluation.records import Record, read_run, read_table, segments_of, whole_segments

CONFIG = {
    "seed": 3,
    "n_envs": 2,
    "agent": "ppo",
    "stream": {"name": "everlearn/SlipperyAnt-v0"},
    "methods": [{"name": "continual-backprop", "replacement_rate": 1e-4}],
}


def test_a_run_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (tmp_path / "status.json").write_text(json.dumps({"state": "running", "steps": 100}))
    (tmp_path / "iterations.csv").write_text("iteration,step,train/loss\n1,100,0.5\n")
    (tmp_path / "episodes.csv").write_text("step,env,return,length,truncated,segment\n")
    (tmp_path / "changes.csv").write_text("step,segment,left_out\n")
    record = read_run(tmp_path)
    assert record.stream == "everlearn/SlipperyAnt-v0"
    assert record.agent == "ppo + continual-backprop"
    assert record.seed == 3
    assert record.status["state"] == "running"
    assert record.iterations["train/loss"].tolist() == [0.5]
    assert record.episodes.empty
    assert record.segments().empty
    assert record.n_changes == 0
    assert not record.copies_differ


def test_a_folder_that_holds_no_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"config\.yaml"):
        read_run(tmp_path)


def test_numbers_are_read_bit_for_bit(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=1000).tolist()
    (tmp_path / "t.csv").write_text("\n".join(["a", *map(repr, numbers), ""]))
    assert read_table(tmp_path / "t.csv")["a"].tolist() == numbers


def test_half_a_line_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n5,0.")
    assert read_table(tmp_path / "t.csv")["b"].tolist() == [2, 4]


def test_columns_keep_their_kind(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("whole,late,empty,word\n1,,,push\n2,0.5,,reach\n")
    table = read_table(tmp_path / "t.csv")
    assert [table[name].dtype.kind for name in ("whole", "late", "empty")] == ["i", "f", "f"]
    assert table["word"].tolist() == ["push", "reach"]


def changes_at(
    steps: list[int], segments: list[int], left_out: list[int] | None = None
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "step": steps,
            "segment": segments,
            "left_out": left_out or [0] * len(steps),
            "context/friction": [1.0 / (segment + 1) for segment in segments],
        }
    )


def test_every_change_begins_a_segment() -> None:
    # Two changes that land in one step of all copies are one landing.
    assert segments_of(changes_at([0, 220, 380], [0, 1, 3]), end=400).to_dict("records") == [
        {"segment": 0, "start": 0, "end": 220, "context": {"friction": 1.0}},
        {"segment": 1, "start": 220, "end": 380, "context": {"friction": 0.5}},
        {"segment": 3, "start": 380, "end": 400, "context": {"friction": 0.25}},
    ]


def test_a_segment_in_which_nothing_was_lived_is_none() -> None:
    assert segments_of(changes_at([0, 400], [0, 1]), end=400)["segment"].tolist() == [0]


def test_segments_whose_end_was_left_out_are_not_invented() -> None:
    table = changes_at([0, 100, 200, 250], [0, 90, 180, 181], left_out=[0, 89, 89, 0])
    rows = segments_of(table, end=300)[["segment", "start", "end"]]
    assert rows.to_numpy().tolist() == [[180, 200, 250], [181, 250, 300]]


def test_a_world_without_a_stream_has_no_segments() -> None:
    assert segments_of(changes_at([], []), end=100).empty


def test_an_episode_belongs_to_the_segment_in_which_it_began_and_ended() -> None:
    changes = changes_at([0, 100, 200, 240], [0, 1, 2, 40], left_out=[0, 0, 0, 37])
    rows = [
        # step, length, segment of the last step, segment of the whole
        (100, 50, 0, 0.0),
        (120, 10, 1, 1.0),
        (122, 12, 1, np.nan),
        (250, 60, 40, np.nan),
        (230, 2, 17, np.nan),
        (250, 5, 40, 40.0),
    ]
    columns = ["step", "length", "segment", "whole"]
    episodes = pd.DataFrame(rows, columns=columns)
    found = whole_segments(episodes, changes, n_envs=2)
    np.testing.assert_array_equal(found, episodes["whole"])


def test_copies_that_differ_have_no_segments() -> None:
    iterations = pd.DataFrame({"step": [100, 200, 300], "stream/copies_differ": [0.0, 1.0, 0.0]})
    episodes = pd.DataFrame({"step": [50], "length": [5], "segment": [0]})
    record = Record(Path(), CONFIG, {}, iterations, episodes, changes_at([0, 100], [0, 1]))
    assert record.copies_differ
    assert record.n_changes == 0
    assert record.segments().empty
    assert record.episode_segments().isna().all()
