from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from everlearn.training import benchmark_learner, benchmark_ppo
from everlearn.training.benchmark_learner import SB3, BenchmarkLearner, Shape
from everlearn.wrappers.errors import SettingsError

TINY = Shape("tiny", 3, 2, 64, 1024)


def eager_only(made: dict[str, Any]) -> dict[str, Any]:
    """Leave the compiler out: tests of what it makes are elsewhere."""
    for agent in made.values():
        if agent is not made[SB3]:
            agent._learner.compiled = False
    return made


def test_the_record_holds_all_candidates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make = benchmark_ppo.update_candidates
    monkeypatch.setattr(benchmark_learner, "SHAPES", (TINY,))
    monkeypatch.setattr(benchmark_ppo, "update_candidates", lambda *given: eager_only(make(*given)))
    file = tmp_path / "record.jsonl"
    BenchmarkLearner(rounds=1, most_rounds=1, n_epochs=1, worlds=(), output=file).run()
    head, *rows = (json.loads(line) for line in file.read_text().splitlines())
    assert head["benchmark"] == "learner"
    assert head["machine"]["cores"] >= 1
    assert [row["candidate"] for row in rows] == [SB3, "eager", "compiled", benchmark_ppo.CBP]
    assert rows[0]["ratio_to_sb3"] == 1
    assert 0 < rows[1]["error_of_parameters"] < 1e-5
    assert rows[3]["error_of_parameters"] is None
    assert "microseconds a minibatch" in capsys.readouterr().out


def test_back_ends_that_differ_are_not_compared() -> None:
    agents = benchmark_ppo.update_candidates(TINY, 1)
    agents["eager"].ent_coef = 0.5
    with pytest.raises(RuntimeError, match="the parameters differ by"):
        benchmark_ppo.agreement(agents[SB3], agents["eager"])


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(SettingsError, match="--most-rounds must be 1 or more, not 0"):
        BenchmarkLearner(most_rounds=0).run()
