from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from everlearn.training.benchmark.checkpoints import BenchmarkCheckpoints, benchmark_checkpoints
from everlearn.wrappers.errors import SettingsError


def test_each_writes_what_is_new(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, folder = tmp_path / "record.jsonl", tmp_path / "there"
    folder.mkdir()
    settings = BenchmarkCheckpoints(
        800, new=400, checkpoints=3, n_envs=4, folder=folder, output=file
    )
    rows = benchmark_checkpoints(settings)
    head, *written = [json.loads(line) for line in file.read_text().splitlines()]
    assert head["benchmark"] == "checkpoints"
    assert written == rows
    assert [row["transitions"] for row in rows] == [800, 400, 400]
    # 17 observations twice, 6 actions, reward, end and time limit, in float32.
    assert [row["data_bytes"] / row["transitions"] for row in rows] == [172, 172, 172]
    assert rows[1]["rows_bytes"] == pytest.approx(rows[0]["rows_bytes"] / 2, rel=0.1)
    assert all(row["ratio"] == row["rows_bytes"] / row["data_bytes"] < 1.2 for row in rows)
    assert list(folder.iterdir()) == []
    assert "rows over data" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"transitions": 12}, "--transitions must be a multiple of --n-envs, which is 8, not 12"),
        ({"new": 0}, "--new must be a multiple of --n-envs"),
        ({"n_envs": 0}, "--n-envs must be 1 or more, not 0"),
        ({"transitions": 80, "new": 160}, "--new must be no more than --transitions, not 160"),
        ({"checkpoints": 0}, "--checkpoints must be 1 or more, not 0"),
    ],
)
def test_wrong_settings_are_one_sentence(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        BenchmarkCheckpoints(**wrong).run()
