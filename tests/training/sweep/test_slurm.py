"""What Slurm would do, by submitit's local executor."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from everlearn.training.sweep.local import run_locally
from everlearn.training.sweep.slurm import GRACE, JobSettings, submit_units
from everlearn.wrappers.errors import SettingsError

sys.path.insert(0, str(Path(__file__).parent))
from conftest import LONGER, compare_sweeps, count_restarts, is_under_way  # type: ignore[import-not-found]

pytest.importorskip("submitit", reason="submitit is an extra: everlearn[slurm]")

N_UNITS = int(os.environ.get("EVERLEARN_SWEEP_UNITS", "24"))
JOB = JobSettings(minutes=30, cpus=1, gpus=0, memory=1.0, at_a_time=4, others={})


def test_there_is_no_slurm(make_sweep: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = make_sweep()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SettingsError, match="sbatch is not on the path"):
        submit_units(sweep.folder, sweep.units, JOB)


def test_what_slurm_is_asked_for(
    make_sweep: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sbatch", "srun"):
        (programs / name).write_text("#!/bin/sh\necho Submitted batch job 42\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    sweep = make_sweep("0-5")
    job = replace(JOB, gpus=1, others={"partition": "long"})
    jobs = submit_units(sweep.folder, sweep.units, job)
    assert [one.job_id for one in jobs] == [f"42_{i}" for i in range(6)]
    (asked,) = [file for file in sweep.folder.path.rglob("*.sh") if not file.is_symlink()]
    lines = asked.read_text().splitlines()
    for option in (
        "array=0-5%4",
        "time=30",
        "cpus-per-task=1",
        "gpus-per-node=1",
        "mem=1GB",
        "partition=long",
        "requeue",
        f"signal=USR2@{GRACE}",
    ):
        assert f"#SBATCH --{option}" in lines


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
            if is_under_way(sweep, units[0]):
                (task,) = psutil.Process(jobs[0]._process.pid).children()
                task.send_signal(signal.SIGUSR2)
                preempted = True
            time.sleep(0.02)
        assert [job.result() for job in jobs] == [0] * len(jobs)
    assert [sweep.folder.state(unit).word for unit in sweep.units] == ["finished"] * N_UNITS
    assert count_restarts(sweep) == 1

    alone = make_sweep(seeds, methods, words=LONGER, folder="alone")
    run_locally(alone.folder, alone.units, 2, 0.0, lambda: None)
    compare_sweeps(sweep, alone)
