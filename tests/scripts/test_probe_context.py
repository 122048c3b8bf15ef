from __future__ import annotations

import json
from pathlib import Path

import pytest

from everlearn.scripts.probe_context import main

SMALL = "secbad:hidden_size=4,n_samples=2,updates=1,train_every=256"
TINY = ["--contexts", SMALL, "memoryless", "--seeds", "1", "--steps", "512"]
BASE = ["--base", "ppo:n_steps=32,batch_size=64,n_epochs=1,backend=eager"]


def test_a_tiny_experiment_is_gone_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, picture, ages = (tmp_path / name for name in ("c.jsonl", "c.png", "ages.png"))
    own = ["--output", str(record), "--picture", str(picture), "--belief-picture", str(ages)]
    assert main([*TINY, *BASE, *own]) == 0
    head, *rows = map(json.loads, record.read_text().splitlines())
    assert head["experiment"] == "context"
    assert [row["context"] for row in rows] == [SMALL, "memoryless"]
    assert set(rows[0]["ages"]) == {
        f"{who}, {truth}" for who in ("learned", "exact") for truth in ("segment", "context")
    }
    assert "ages" not in rows[1]
    assert len(rows[0]["returns"]) == 10
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in (picture, ages))
    assert "memoryless" in capsys.readouterr().out

    others = ["oracle", "memoryless on recurrent-ppo:n_steps=32,batch_size=64,lstm_size=4"]
    assert main([*TINY, *BASE, "--contexts", *others, "--output", str(record)]) == 0
    _, *more = map(json.loads, record.read_text().splitlines())
    assert more[:2] == rows
    assert [row["context"] for row in more[2:]] == others
    assert more[3]["returns"] != rows[1]["returns"]

    assert main([*TINY, *BASE, "--steps", "256", "--output", str(record)]) == 2
    assert "holds other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        (["--seeds", "0"], "--seeds must be 1 or more"),
        (["--contexts", "secbed"], "setting 'kind' must be one of"),
        (["--base", "dqn"], "unknown base 'dqn'"),
        (["--contexts", "memoryless on dqn"], "unknown base 'dqn'"),
    ],
)
def test_wrong_settings(own: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, *own]) == 2
    assert sentence in capsys.readouterr().err
