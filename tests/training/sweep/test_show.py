from __future__ import annotations

import io
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from everlearn.training.sweep.expect import Expected
from everlearn.training.sweep.folder import Heard
from everlearn.training.sweep.show import COLUMNS, Look, Watch

sys.path.insert(0, str(Path(__file__).parent))
from conftest import finish  # type: ignore[import-not-found]


def told(code: int | None, error: str = "") -> Heard:
    now = time.time()
    return Heard(platform.node(), os.getpid(), now - 1, 0, now, code, error)


def test_a_row_for_units_that_differ_in_their_seed_alone(make_sweep: Any) -> None:
    sweep = make_sweep("0-2", methods=("none", "l2:coefficient=0.1", "l2:coefficient=0.2"))
    ppo, l2, other = sweep.units[:3]
    finish(sweep.folder, ppo)
    sweep.folder.tell(l2, told(1, "NaN at iteration 3"))
    sweep.folder.tell(other, told(None))
    look = Look.at(sweep.folder)
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in look.rows()]
    assert rows[0]["agent"] == "ppo"
    assert rows[1]["agent"] == f"ppo+l2 {l2.name.split('-')[0]}" != rows[2]["agent"]
    assert [row["finished"] for row in rows] == ["1", "", ""]
    assert [row["failed"] for row in rows] == ["", "1", ""]
    assert [row["running"] for row in rows] == ["", "", "1"]
    assert [row["waiting"] for row in rows] == ["2", "2", "2"]
    assert rows[0]["steps"] == "33%"
    (problem,) = look.problems()
    assert "NaN at iteration 3" in problem
    assert l2.folder in problem
    sentence = look.sentence([Expected(1.0, 0, True)] * 9, workers=7)
    assert sentence.startswith("1 of 9 finished, 1 running, 6 waiting, 1 failed, about 8 min left")


def test_a_line_when_a_unit_ends_where_there_is_no_terminal(make_sweep: Any) -> None:
    sweep = make_sweep("0-1")
    output = io.StringIO()
    watch = Watch(sweep.folder, sweep.units, 2, Console(file=output))
    with watch.showing():
        watch.look()
        watch.look()
        finish(sweep.folder, sweep.units[0])
        watch.look()
        watch.look()
    lines = output.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == ["0 of 2 finished", "1 of 2 finished"]


def test_a_table_that_stays_in_its_place_on_a_terminal(make_sweep: Any) -> None:
    sweep = make_sweep("0-1")
    output = io.StringIO()
    watch = Watch(
        sweep.folder, sweep.units, 2, Console(file=output, force_terminal=True, width=120)
    )
    with watch.showing():
        finish(sweep.folder, sweep.units[0])
        watch.look()
    shown = output.getvalue()
    assert "SlipperyAnt-v0" in shown
    assert "1 of 2 finished" in shown
