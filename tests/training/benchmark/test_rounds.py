from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from everlearn.training.benchmark import rounds as benchmark_rounds
from everlearn.training.benchmark.rounds import Reading, Rounds, machine_speed, run_rounds


def speeds(*rates: float) -> Callable[[], float]:
    following: Iterator[float] = iter(rates)
    return lambda: next(following)


def turns(*rates: float, wanted: int = 2, most: int = 10) -> tuple[Rounds, list[str]]:
    calls: list[str] = []
    candidates = {name: partial(calls.append, name) for name in "ab"}
    told: list[str] = []
    return run_rounds(candidates, wanted, most, speeds(*rates), 0, told.append), calls


def test_candidates_take_turns_forward_and_backward() -> None:
    rounds, calls = turns(*[100] * 6)
    assert "".join(calls) == "ab" + "ab" + "ba"
    assert len(rounds.accepted()) == 2


def test_rounds_of_a_disturbed_machine_are_left_out() -> None:
    rounds, _ = turns(100, 99, 95, 100, 60, 100, 50, 100, 100, 91, 92, 99)
    assert [one.machine for one in rounds.accepted()] == [(100, 99, 95), (91, 92, 99)]
    assert [one.machine for one in rounds.rejected()] == [(100, 60, 100), (50, 100, 100)]


def test_a_faster_round_shows_that_earlier_ones_were_disturbed() -> None:
    rounds, _ = turns(*[50] * 3, *[100] * 6)
    assert [one.machine for one in rounds.accepted()] == [(100,) * 3] * 2


def test_candidates_may_bring_their_own_readings() -> None:
    told = Reading(1.0, 2.0, 0.25, 0.5)
    rounds = run_rounds({"a": lambda: told}, 1, 1, speeds(1, 1), 0, lambda _: None)
    assert rounds.all[0].readings == {"a": told}


def test_a_round_waits_for_a_quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr(benchmark_rounds.time, "sleep", naps.append)
    rates = speeds(100, 100, 40, 50, 95, 100)
    rounds = run_rounds({"a": lambda: None}, 2, 2, rates, waits=5, tell=lambda _: None)
    assert [one.machine for one in rounds.all] == [(100, 100), (95, 100)]
    assert len(naps) == 2


def test_there_is_an_end_without_a_quiet_machine() -> None:
    rounds, _ = turns(*[100, 50, 100] * 3, most=3)
    assert len(rounds.all) == 3
    assert rounds.accepted() == []
    assert rounds.median(lambda took: took["a"].wall * 0 + 4) == 4


def test_processors_of_children_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("this system does not tell of children")
    code = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as child:  # type: ignore
        assert child.stdout is not None
        child.stdout.readline()
        alone = benchmark_rounds._cpu_seconds()
        monkeypatch.setattr(multiprocessing, "active_children", lambda: [child])
        assert benchmark_rounds._cpu_seconds() - alone > 0.15
        child.kill()


def test_the_machine_has_a_speed() -> None:
    assert machine_speed(seconds=0.01, n_threads=2) > 0


def test_the_record_names_no_machine(tmp_path: Path) -> None:
    file = tmp_path / "records" / "a.jsonl"
    benchmark_rounds.write_record(file, {"benchmark": "a"}, [{"x": Reading(1.0, 2.0)._asdict()}])
    head, row = (json.loads(line) for line in file.read_text().splitlines())
    assert row == {"x": {"wall": 1.0, "cpu": 2.0, "world": 0.0, "update": 0.0}}
    assert head["benchmark"] == "a"
    assert set(head["machine"]) == {"system", "processor", "cores", "load"}
    assert head["packages"]["envpool"]
