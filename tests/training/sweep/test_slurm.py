"""What Slurm would do, by submitit's local executor."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from everlearn.training.sweep.local import run_locally
from everlearn.training.sweep.slurm import JobSettings, submit_units
from everlearn.wrappers.errors import SettingsError

sys.path.insert(0, str(Path(__file__).parent))
from conftest import LONGER, compare_sweeps, count_under_way  # type: ignore[import-not-found]

pytest.importorskip("submitit", reason="submitit is an extra: everlearn[slurm]")

N_UNITS = int(os.environ.get("EVERLEARN_SWEEP_UNITS", "24"))
JOB = JobSettings(minutes=30, cpus=1, gpus=0, memory=1.0, at_a_time=4, others={})


def test_there_is_no_slurm(make_sweep: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = make_sweep()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SettingsError, match="sbatch is not on the path"):
        submit_units(sweep.folder, sweep.units, JOB)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_unit_is_preempted(make_sweep: Any) -> None:
    seeds, methods = f"0-{N_UNITS // 2 - 1}", ("none", "continual-backprop")
    sweep = make_sweep(seeds, methods, words=LONGER)
    preempted = False
    # submitit's local executor starts all jobs at once.
    for first in range(0, N_UNITS, JOB.at_a_time):
        units = sweep.units[first : first + JOB.at_a_time]
        jobs = submit_units(sweep.folder, units, JOB, cluster="local")
        while not preempted:
            if count_under_way(sweep) == len(units):
                (task,) = psutil.Process(jobs[0]._process.pid).children()  # type: ignore[attr-defined]
                task.send_signal(signal.SIGUSR2)
                preempted = True
            time.sleep(0.02)
        assert [job.result() for job in jobs] == [0] * len(jobs)
    assert [sweep.folder.state(unit).word for unit in sweep.units] == ["finished"] * N_UNITS
    assert sum("going on from there" in sweep.folder.log(u).read_text() for u in sweep.units) == 1

    alone = make_sweep(seeds, methods, words=LONGER, folder="alone")
    run_locally(alone.folder, alone.units, 2, 0.0, lambda: None)
    compare_sweeps(sweep, alone)
