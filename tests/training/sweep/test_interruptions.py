"""However a sweep ends, the same command completes it: real processes, and a real full disk."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from everlearn.training.sweep.describe import Sweep
from everlearn.training.sweep.local import run_locally

sys.path.insert(0, str(Path(__file__).parent))
from conftest import (  # type: ignore[import-not-found]
    LONGER,
    STREAM,
    compare_sweeps,
    count_restarts,
    is_under_way,
)

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).parents[3] / "scripts" / "sweep.py"
WORDS = ["run", "--streams", STREAM, "--seeds", "0-2", *LONGER.split()]


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *WORDS],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


@pytest.fixture
def alone(make_sweep: Any) -> Sweep:
    """Return the sweep as it is where nothing ends it."""
    sweep: Sweep = make_sweep("0-2", words=LONGER, folder="alone")
    run_locally(sweep.folder, sweep.units, 2, 0.0, lambda: None)
    return sweep


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_sweep_that_is_ended_is_completed(
    number: int, make_sweep: Any, alone: Sweep, tmp_path: Path
) -> None:
    sweep = make_sweep("0-2", words=LONGER)
    process = start(tmp_path)
    while process.poll() is None and not is_under_way(sweep, sweep.units[0]):
        time.sleep(0.02)
    units = psutil.Process(process.pid).children()
    os.kill(process.pid, number)
    said = process.communicate(timeout=120)[0]
    assert process.returncode == {2: 130, 15: 143, 9: -9}[number], said
    assert "Traceback" not in said
    # None outlives it for long.
    assert not psutil.wait_procs(units, timeout=60)[1]
    assert sweep.folder.state(sweep.units[0]).word == "interrupted"

    process = start(tmp_path)
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 0, said
    assert "3 of 3 finished" in said
    assert count_restarts(sweep) >= 1
    compare_sweeps(sweep, alone)


@pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode != 0,
    reason="a small disk needs Linux and the right to mount one",
)
def test_a_full_disk(make_sweep: Any, alone: Sweep, tmp_path: Path) -> None:
    run = f"{sys.executable} {SCRIPT} {' '.join(WORDS)}"
    script = f"""
        mkdir runs kept
        mount -t tmpfs -o size=400k tmpfs runs
        {run}; echo first $?
        mount -o remount,size=200m runs
        {run}; echo second $?
        cp -r runs/. kept
        """
    said = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        cwd=tmp_path, capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    shown = said.stdout + said.stderr
    assert "first 0" not in shown
    assert "first " in shown
    assert "second 0" in shown, shown
    assert "Traceback" not in shown
    kept = make_sweep("0-2", words=LONGER, folder="kept")
    compare_sweeps(kept, alone)
