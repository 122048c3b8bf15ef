from __future__ import annotations

import json
from pathlib import Path

import pytest

from everlearn.scripts.probe_reaction import main

TINY = ["--seeds", "1", "--steps", "40", "--change-every", "20", "--n-envs", "2"]
TINY += ["--block", "10", "--soon", "10"]


def test_a_tiny_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record, picture = tmp_path / "reaction.jsonl", tmp_path / "new" / "reaction.png"
    own = ["--agents", "dqn", "dqn+reactive-exploration", "--output", str(record)]
    assert main([*TINY, *own, "--picture", str(picture)]) == 0
    head, *rows = map(json.loads, record.read_text().splitlines())
    assert head["settings"]["change_every"] == 20
    assert [row["agent"] for row in rows] == ["dqn", "dqn+reactive-exploration"]
    assert all(len(row["rewards"]) == 4 for row in rows)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "dqn+reactive-exploration" in capsys.readouterr().out
    # What is there is not run again, and of other settings nothing is added.
    before = rows
    assert main([*TINY, *own]) == 0
    assert [json.loads(line) for line in record.read_text().splitlines()[1:]] == before
    assert main([*TINY, *own, "--block", "2"]) == 2
    assert "is the record of other settings" in capsys.readouterr().err


def test_a_record_that_could_not_be_written_is_known_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main([*TINY, "--output", str(tmp_path / "file" / "reaction.jsonl")]) == 2
    assert "error: cannot write --output in" in (told := capsys.readouterr().err)
    assert told.count("\n") == 1


@pytest.mark.parametrize("own", [["--seeds", "0"], ["--soon", "15"], ["--agents", "sarsa"]])
def test_wrong_settings(own: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, *own]) == 2
    assert "must be" in capsys.readouterr().err
