from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from everlearn.scripts.probe_priming import main

TINY = ["--seeds", "1", "--steps", "60", "--random-steps", "20", "--priming", "5", "--every", "30"]


def test_a_tiny_experiment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record, picture = tmp_path / "priming.jsonl", tmp_path / "new" / "priming.png"
    own = ["--reset-at", "30", "--output", str(record), "--picture", str(picture)]
    assert main([*TINY, *own]) == 0
    head, *rows = map(json.loads, record.read_text().splitlines())
    assert head["experiment"] == "priming"
    assert head["settings"]["priming"] == 5
    assert picture.read_bytes().startswith(b"\x89PNG")
    kinds = [row["agent"] for row in rows]
    assert kinds == [kind for kind in dict.fromkeys(kinds) for _ in range(2)]
    # All primed agents are one until the reset; what is reset acts otherwise at once.
    first: dict[str, Any] = {row["agent"]: row for row in rows if row["step"] == 30}
    assert first["primed"]["active"] == first["primed, actor reset"]["active"]
    assert first["primed"]["return"] == first["primed, critics reset"]["return"]
    assert first["primed"]["return"] != first["primed, full reset"]["return"]
    assert "primed, full reset" in capsys.readouterr().out


@pytest.mark.parametrize("own", [["--seeds", "0"], ["--reset-at", "60"]])
def test_wrong_settings(own: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, *own]) == 2
    assert "must be" in capsys.readouterr().err
