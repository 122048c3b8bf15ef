from __future__ import annotations

import json
from pathlib import Path

import pytest

from everlearn.scripts.probe_replay import main

TINY = {
    "adaptive-replay-ratio": "--steps 340 --every 170 --check-every 1 --priming 5",
    "causality-aware-entropy": "--steps 60 --every 30 --task spin",
    "warm-start": "--steps 20 --every 10 --donor-steps 320 --frozen-steps 5",
}
KINDS = {
    "adaptive-replay-ratio": ["ratio 0.5", "ratio 2", "adaptive", "primed, adaptive"],
    "causality-aware-entropy": ["plain", "signed", "absolute"],
    "warm-start": ["keep", "drop", "drop, frozen", "drop, reset"],
}


@pytest.mark.parametrize("name", TINY)
def test_a_tiny_experiment(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everlearn.training.probe_replay_runs.EVALUATED_EPISODES", 1)
    record = tmp_path / "record.jsonl"
    assert main([name, *TINY[name].split(), "--seeds", "1", "--output", str(record)]) == 0
    head, *rows = map(json.loads, record.read_text().splitlines())
    assert head["experiment"] == name
    assert [row["agent"] for row in rows] == [kind for kind in KINDS[name] for _ in range(2)]
    assert all(row["return"] < 0 for row in rows) or name == "causality-aware-entropy"
    if name == "adaptive-replay-ratio":
        made = {row["agent"]: row["updates"] for row in rows}
        assert (made["ratio 0.5"], made["ratio 2"]) == (20, 80)
    assert KINDS[name][-1] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--seeds 0", "--seeds must be 1 or more, not 0"),
        ("--agents keeep", "unknown agent 'keeep': did you mean 'keep'?"),
    ],
)
def test_wrong_settings(arguments: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["warm-start", *arguments.split()]) == 2
    assert sentence in capsys.readouterr().err
