from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from everlearn.training.benchmark import rounds as benchmark_rounds
from everlearn.training.benchmark.candidates import BASIS, candidates_of
from everlearn.training.benchmark.layer import NOTHING, layers
from everlearn.training.benchmark.worlds import BenchmarkWorlds, benchmark_worlds


def tiny(output: Path | None = None) -> BenchmarkWorlds:
    return BenchmarkWorlds(
        worlds=("HalfCheetah-v5",), rounds=1, most_rounds=1, copies=2, steps=4, change_every=2,
        output=output,
    )  # fmt: skip


def test_the_record_holds_a_row_a_candidate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark_rounds, "machine_speed", lambda n_threads: 100.0)
    rows = benchmark_worlds(tiny(tmp_path / "worlds.jsonl"))
    worlds = {row["candidate"]: row for row in rows if "candidate" in row}
    assert set(worlds) == set(candidates_of("HalfCheetah-v5", tiny()))
    assert worlds[BASIS]["ratio_to_bare_envpool"] == 1.0
    assert all(row["steps_per_second"] > 0 for row in worlds.values())
    assert all(row["rounds_accepted"] == 1 for row in rows)
    assert {row["layer"] for row in rows if "layer" in row} == {*layers(2, 2)} - {NOTHING}
    lines = (tmp_path / "worlds.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["settings"]["copies"] == 2
    assert [json.loads(line) for line in lines[1:]] == rows
    shown = capfd.readouterr()
    assert "times bare envpool" in shown.out
    assert shown.err == ""


def test_candidates_can_be_chosen(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark_rounds, "machine_speed", lambda n_threads: 100.0)
    rows = benchmark_worlds(replace(tiny(), only=("native, ch",)))
    assert [row["candidate"] for row in rows if "candidate" in row] == [
        "envpool, bare",
        "native, changing",
        "native, changing, SB3",
    ]


def test_changing_candidates_change() -> None:
    for name, make in candidates_of("HalfCheetah-v5", tiny()).items():
        if name.endswith("changing") and "async" not in name:
            env = make()
            env.reset()
            for _ in range(3):
                *_, info = env.step(env.action_space.sample())
            assert info["segment"].tolist() == [1, 1], name
            env.close()
