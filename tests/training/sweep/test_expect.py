from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from everlearn.training.sweep.expect import Expected, expect, expect_seconds
from everlearn.training.sweep.folder import State


def write_run(folder: Path, steps: int, rate: float, size: int) -> None:
    folder.mkdir(parents=True)
    text = f"iteration,step,time/fps\n1,{steps},{rate}\n"
    (folder / "iterations.csv").write_text(text)
    (folder / "model.zip").write_bytes(bytes(size - len(text)))


def test_the_longest_run_most_like_it_tells(make_sweep: Any) -> None:
    sweep = make_sweep("0")
    (unit,) = sweep.units
    runs = sweep.folder.runs_folder
    assert not expect(unit, runs).measured
    agent = (runs / unit.folder).parent.parent
    write_run(agent / "0123456789" / "seed_0", 900, 50.0, 1000)
    assert expect(unit, runs) == Expected(50.0, 1000.0, True)
    write_run((runs / unit.folder).parent / "seed_7", 200, 70.0, 2000)
    write_run((runs / unit.folder).parent / "seed_8", 300, 80.0, 3000)
    (runs / unit.folder).mkdir()
    assert expect(unit, runs) == Expected(80.0, 3000.0, True)


def test_time_of_what_is_left(make_sweep: Any) -> None:
    units = make_sweep("0-4").units
    states = [
        State("finished", 512), State("running", 256, 10.0), State("waiting"), State("waiting"),
        State("failed", 5),
    ]  # fmt: skip
    expected = [Expected(51.2, 0, True)] * 5
    # 25.6 s at its own rate, and twice 10 s; not less than the longest alone.
    assert expect_seconds(units, states, expected, 1) == pytest.approx(45.6)
    assert expect_seconds(units, states, expected, 4) == pytest.approx(25.6)
    assert expect_seconds(units[:1], states[:1], expected[:1], 1) == 0
