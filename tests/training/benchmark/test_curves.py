from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from everlearn.training.benchmark import curves
from everlearn.training.benchmark.curves import SB3, BenchmarkCurves, Course, summarize
from everlearn.wrappers.errors import SettingsError

TINY: dict[str, Course] = {
    "ppo CartPole-v1": Course(
        256, (SB3, "eager"), {"n_steps": 64, "batch_size": 64, "n_epochs": 1}, copies=2
    ),
    "sac Pendulum-v1": Course(400, ("eager",), {"learning_starts": 390, "buffer_size": 400}),
}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BenchmarkCurves:
    monkeypatch.setattr(curves, "COURSES", TINY)
    monkeypatch.setattr(curves, "LAST_SHARE", 0.9)
    return BenchmarkCurves(
        ("ppo CartPole-v1", "sac Pendulum-v1"), seeds=2, output=tmp_path / "curves.jsonl"
    )


def test_a_record_is_gone_on_with(
    settings: BenchmarkCurves, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.run()
    head, *rows = [json.loads(line) for line in settings.output.read_text().splitlines()]
    assert head["benchmark"] == "curves"
    runs, summary = rows[:6], rows[6:]
    assert [row["candidate"] for row in runs] == 2 * [SB3, "eager", "eager"]
    assert all(row["score"] for row in runs)
    assert [row["runs"] for row in summary] == [2, 2, 2]
    made: list[Any] = []

    def learn(*given: Any) -> dict[str, float]:
        made.append(given)
        return {"score": 1.0}

    monkeypatch.setattr(curves, "_learn", learn)
    BenchmarkCurves(settings.comparisons, seeds=3, output=settings.output).run()
    assert [given[-1] for given in made] == [2, 2, 2]


def test_intervals_that_do_not_overlap_are_told() -> None:
    def runs(candidate: str, *scores: float) -> list[dict[str, Any]]:
        common = {"comparison": "a", "steps": 1, "candidate": candidate}
        return [{**common, "score": score} for score in scores]

    first, near, far = summarize(
        runs("x", 1, 2, 3, 4, 5) + runs("y", 2, 3, 4, 5, 6) + runs("z", 11, 12, 13, 14, 15)
    )
    assert first["iqm"] == 3
    assert [row["overlaps_first"] for row in (first, near, far)] == [True, True, False]
    assert far["low"] >= 11


@pytest.mark.parametrize(
    ("own", "sentence"),
    [({"seeds": 0}, "--seeds must be 1 or more"), ({"share": 0.0}, "--share must be above 0")],
)
def test_what_is_out_of_range_is_refused(own: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        BenchmarkCurves(**own).run()
