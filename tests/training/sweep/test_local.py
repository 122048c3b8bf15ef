from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from everlearn.training.stopping import Stopped
from everlearn.training.sweep import local
from everlearn.training.sweep.describe import Sweep
from everlearn.training.sweep.local import ATTEMPTS, run_locally


def words(sweep: Sweep) -> list[str]:
    return [sweep.folder.state(unit).word for unit in sweep.units]


def run(sweep: Sweep, workers: int = 2, look: Callable[[], None] = lambda: None) -> None:
    run_locally(sweep.folder, sweep.units, workers, 0.0, look, every=0.05)


def test_all_run_and_failures_stop_none(make_sweep: Any, pretend: Any) -> None:
    sweep = make_sweep("0-4")
    started = pretend("if name.endswith('-1'): sys.exit(1)\nfinish()")
    run(sweep)
    assert sorted(started.started) == sorted(unit.name for unit in sweep.units)
    assert words(sweep) == ["finished", "waiting", "finished", "finished", "finished"]


def test_what_the_system_kills_is_started_again(make_sweep: Any, pretend: Any) -> None:
    sweep = make_sweep("0-1")
    started = pretend(
        """
        if name.endswith('-0') or not os.path.exists(folder + '/again'):
            open(folder + '/again', 'w').close()
            os.kill(os.getpid(), 9)
        finish()
        """
    )
    run(sweep)
    assert words(sweep) == ["waiting", "finished"]
    assert len(started.started) == ATTEMPTS + 2


def test_units_at_a_time_share_the_cores(
    make_sweep: Any, pretend: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(local, "count_cores", lambda: [0, 1, 2, 3, 4])
    sweep = make_sweep("0-3")
    script = f"""
        import glob
        mark = {str(tmp_path)!r} + '/on-' + name
        open(mark, 'w').close()
        time.sleep(0.1)
        open(folder + '/beside', 'w').write(str(len(glob.glob({str(tmp_path)!r} + '/on-*'))))
        os.remove(mark)
        finish()
        """
    started = pretend(script)
    run(sweep, workers=2)
    assert set(started.cores) == {(0, 1), (2, 3, 4)}
    beside = [(sweep.folder.runs_folder / u.folder / "beside").read_text() for u in sweep.units]
    assert max(map(int, beside)) <= 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_units_in_good_order(number: int, make_sweep: Any, pretend: Any) -> None:
    sweep = make_sweep("0-3")
    started = pretend(
        """
        import signal
        def stop(*_):
            open(folder + '/stopped', 'w').close()
            sys.exit(143)
        signal.signal(signal.SIGTERM, stop)
        open(folder + '/begun', 'w').close()
        time.sleep(60)
        """
    )

    def look() -> None:
        begun = list(sweep.folder.runs_folder.rglob("begun"))
        if len(begun) == 2:
            os.kill(os.getpid(), number)
            time.sleep(0.01)

    with pytest.raises(Stopped, match=signal.Signals(number).name):
        run(sweep, look=look)
    assert len(started.started) == len(list(sweep.folder.runs_folder.rglob("stopped"))) == 2


def test_little_memory_lets_one_unit_run_alone(
    make_sweep: Any, pretend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Memory:
        available = 4e9

    sweep = make_sweep("0-2")
    monkeypatch.setattr(local.psutil, "virtual_memory", lambda: Memory)
    started = pretend("time.sleep(0.3)\nfinish()")
    counts: list[int] = []

    def look() -> None:
        counts.append(len(started.started))
        if len(started.started) == 2:
            # One of the two has to go; it is started again when it may.
            Memory.available = 0.1e9

    run_locally(sweep.folder, sweep.units, 2, 1.0, look, every=0.02)
    assert words(sweep) == ["finished"] * 3
    assert len(started.started) == 4
    assert threading.active_count() < 10
