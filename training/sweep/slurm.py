"""Runs units as jobs of Slurm, by submitit."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import psutil

from ...wrappers.errors import SettingsError
from .folder import SweepFolder
from .launch import start_unit
from .units import Unit

if TYPE_CHECKING:
    from submitit import Executor, Job
    from submitit.helpers import DelayedSubmission

MOST_TIME_LIMITS = 1000
"""How often a unit may run into the time limit of its job, and be queued again."""

GRACE = 120
"""Seconds before the time limit at which a unit is told to write its checkpoint and stop."""


@dataclass(frozen=True)
class JobSettings:
    """What each unit's job asks Slurm for."""

    minutes: int
    """Its time limit; a unit that needs more is queued again, and goes on."""

    cpus: int
    """Cores."""

    gpus: int
    """GPUs."""

    memory: float
    """Gigabytes of memory."""

    at_a_time: int
    """Jobs that run at the same time."""

    others: Mapping[str, str]
    """Any other options of sbatch, such as partition and account."""


class UnitJob:
    """One unit as submitit runs it.

    Args:
        path: the sweep's folder, as the nodes see it.
        name: the unit's.
    """

    def __init__(self, path: str, name: str) -> None:
        self.path = path
        self.name = name

    def __call__(self) -> int:
        """Run the unit, and return what it ended with."""
        sweep = SweepFolder(Path(self.path))
        process = start_unit(sweep, sweep.unit(self.name))
        self._number = process.pid
        code = process.wait()
        if process.stdin is not None:
            process.stdin.close()
        return code

    def checkpoint(self) -> DelayedSubmission:
        """Stop the unit, and say what shall be queued again: it goes on from its checkpoint.

        submitit calls it, in the midst of the other, when the job is preempted or at its limit.
        """
        from submitit.helpers import DelayedSubmission

        # Not `Popen.wait`: the call that this one interrupts holds its lock.
        try:
            process = psutil.Process(self._number)
            process.terminate()
            process.wait()
        except psutil.NoSuchProcess:
            pass
        return DelayedSubmission(UnitJob(self.path, self.name))


def submit_units(
    sweep: SweepFolder,
    units: Sequence[Unit],
    job: JobSettings,
    cluster: Literal["slurm", "local"] = "slurm",
) -> list[Job[int]]:
    """Submit a job for each unit, and return at once.

    Args:
        sweep: the sweep they are of, in a folder that all nodes see at the same path.
        units: those to run, the first first.
        job: what each asks for.
        cluster: "local" runs jobs as processes of this machine, to try what Slurm would do.

    Returns:
        submitit's jobs.

    Raises:
        SettingsError: submitit is not installed, or there is no Slurm.
    """
    executor = _make_executor(sweep, job, cluster)
    with executor.batch():
        path = str(sweep.path.absolute())
        return [executor.submit(UnitJob(path, unit.name)) for unit in units]


def _make_executor(sweep: SweepFolder, job: JobSettings, cluster: str) -> Executor:
    try:
        import submitit
    except ImportError as error:
        raise SettingsError(
            "--engine slurm needs submitit: pip install everlearn[slurm]"
        ) from error
    if cluster == "slurm" and shutil.which("sbatch") is None:
        raise SettingsError("there is no Slurm here: sbatch is not on the path")
    executor = submitit.AutoExecutor(
        sweep.path / "slurm",
        cluster=cluster,
        slurm_max_num_timeout=MOST_TIME_LIMITS,
    )
    asked: dict[str, Any] = {
        "timeout_min": job.minutes,
        "cpus_per_task": job.cpus,
        "mem_gb": job.memory,
        "gpus_per_node": job.gpus,
    }
    if cluster == "slurm":
        asked |= {
            "name": f"sweep-{sweep.name}",
            "slurm_array_parallelism": job.at_a_time,
            "slurm_signal_delay_s": GRACE,
            "slurm_additional_parameters": {"requeue": True, **job.others},
        }
    executor.update_parameters(**asked)
    return executor
