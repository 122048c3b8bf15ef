from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from everlearn.scripts.compare_sequences import main
from everlearn.training.compare_sequences import summarize
from everlearn.training.sac import TrainSAC
from everlearn.training.train import train

STREAM = "everlearn/CW3-v0:steps_per_task=40"


def settings(folder: Path, **changed: Any) -> TrainSAC:
    given: dict[str, Any] = {
        "stream": STREAM,
        "methods": ("multi-head",),
        "total_steps": 80,
        "n_envs": 1,
        "iteration_steps": 20,
        "learning_starts": 100,
        "evaluate_every": 1,
        "evaluation_episodes": 1,
        "evaluation_steps": 4,
        "hidden_sizes": (8,),
        "checkpoint_every": 0,
        "diagnostics": False,
        "runs_folder": str(folder),
    }
    return TrainSAC(**{**given, **changed})


def test_runs_and_a_run_from_scratch_become_a_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, record, picture = (tmp_path / name for name in ("runs", "record.jsonl", "picture.png"))
    train(settings(runs))
    train(settings(runs, stream=f"{STREAM},frozen_at=40", total_steps=40))
    capsys.readouterr()
    wanted = ["--reference", "sac+multi-head", "--output", str(record), "--figure", str(picture)]
    assert main([str(runs), *wanted]) == 0
    printed = capsys.readouterr().out
    assert "success at the last step" in printed
    assert "forward transfer" in printed
    head, row = [json.loads(line) for line in record.read_text().splitlines()]
    assert set(head["references"]["success"]) == {"HandlePressSide-v3", "FaucetClose-v3"}
    assert row["tasks"] == ["HandlePressSide-v3", "FaucetClose-v3"]
    assert row["lengths"] == [40, 40]
    assert row["methods"] == "sac+multi-head"
    assert row["config"]["n_envs"] == 1
    assert row["success"]["curves"]["steps"] == [0, 20, 40, 60, 80]
    assert row["success"]["forward_transfer"] == 0
    (told,) = summarize([row], "success_final")
    assert told["seeds"] == 1
    assert picture.stat().st_size > 10_000
    assert main([str(runs), "--reference", "sac+multihead"]) == 2
    sentence = "unknown agent among these runs 'sac+multihead': did you mean 'sac+multi-head'?"
    assert sentence in capsys.readouterr().err


def test_means_are_over_the_runs_of_a_method() -> None:
    def row(name: str, value: float, gained: float | None) -> dict[str, Any]:
        found = {"performance": value, "forgetting": value / 2, "forward_transfer": gained}
        return {"methods": name, "success": {**found, "learned": [1.0, value], "kept": [value, 0]}}

    one, other = summarize([row("a", 0.5, 0.2), row("a", 1.0, 0.4), row("b", 0.0, None)], "success")
    assert (one["seeds"], one["performance"], one["forgetting"]) == (2, 0.75, 0.375)
    assert one["forward_transfer"] == pytest.approx(0.3)
    assert one["learned"] == [1.0, 0.75]
    assert one["kept"] == [0.75, 0]
    assert other["forward_transfer"] is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "compare what?"),
        (["nowhere"], "there is no folder nowhere"),
        (["."], "hold no run that has begun a second task"),
        ([".", "--figure", "a.txt"], "--figure must be a .png, .svg or .pdf file"),
    ],
)
def test_what_cannot_be_compared_gets_a_sentence(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert sentence in capsys.readouterr().err
