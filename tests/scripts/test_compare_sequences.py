from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from everlearn.scripts.compare_sequences import main
from everlearn.training.compare_sequences import summarize


def test_runs_and_a_run_from_scratch_become_a_record(
    make_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = ("return", "success", "success_final")
    make_run([0.0, 1.0], seed=0, scores=scores)
    make_run([1.0], seed=1, scores=scores)
    record, picture = tmp_path / "record.jsonl", tmp_path / "picture.png"
    wanted = ["--reference", "ppo", "--output", str(record), "--figure", str(picture)]
    assert main([str(tmp_path), *wanted]) == 0
    printed = capsys.readouterr().out
    assert "success at the last step" in printed
    assert "forward transfer" in printed
    head, row = [json.loads(line) for line in record.read_text().splitlines()]
    assert set(head["references"]["success"]) == {"wind=0", "wind=1"}
    assert row["tasks"] == ["wind=0", "wind=1"]
    assert row["lengths"] == [1000, 1000]
    assert (row["methods"], row["seed"], row["config"]["n_envs"]) == ("ppo", 0, 2)
    assert row["success"]["curves"]["steps"] == list(range(0, 2001, 100))
    # The first task is its own reference.
    first, second = row["success"]["forward_transfers"]
    area, alone = row["success"]["areas"][1], head["references"]["success"]["wind=1"]
    assert first == 0
    assert second == pytest.approx((area - alone) / (1 - alone))
    assert row["success"]["forward_transfer"] == pytest.approx(second / 2)
    (told,) = summarize([row], "success_final")
    assert told["seeds"] == 1
    assert picture.stat().st_size > 10_000
    assert main([str(tmp_path), "--reference", "pppo"]) == 2
    sentence = "unknown agent among these runs 'pppo': did you mean 'ppo'?"
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
    arguments: list[str], sentence: str, refused: Any
) -> None:
    assert sentence in refused(main, arguments)
