"""What can run the units of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from ...wrappers.errors import SettingsError
from ..settings import require
from .folder import SweepFolder
from .local import count_cores, run_locally
from .ray_cluster import run_on_ray
from .show import Watch
from .slurm import JobSettings, submit_units
from .units import Unit


class IncompleteError(Exception):
    """All that could run has run, and units are missing."""


@dataclass(frozen=True)
class Engine:
    """Where units run, and how many at a time."""

    kind: Annotated[Literal["local", "slurm", "ray"], tyro.conf.arg(name="engine")] = "local"
    """local: processes on this machine; slurm: jobs, by submitit; ray: a Ray cluster."""

    workers: int | None = None
    """Units that run at a time: by default one for each core here, and 1000 jobs in Slurm; a Ray
    cluster runs as many as have room."""

    reserve_memory: float = 1.0
    """Gigabytes of memory to keep free on this machine: no unit starts while less is."""

    cpus: int = 1
    """Cores that a unit asks Slurm or Ray for."""

    gpus: float = 0.0
    """GPUs that a unit asks Slurm or Ray for; in Ray also a share of one."""

    memory: float = 4.0
    """Gigabytes of memory that a unit asks Slurm for."""

    minutes: int = 240
    """Time limit of a job in Slurm; a unit that needs more is queued again, and goes on."""

    sbatch: tuple[str, ...] = ()
    """Any other options for Slurm, such as partition=long account=lab."""

    address: str = "auto"
    """Of the Ray cluster; auto for the one that this machine belongs to."""

    def check(self) -> None:
        """Raise `SettingsError` for what cannot be used."""
        for name in ("workers", "cpus", "minutes"):
            value = getattr(self, name)
            require(self, name, value is None or value >= 1, "1 or more")
        for name in ("reserve_memory", "gpus"):
            require(self, name, getattr(self, name) >= 0, "0 or more")
        require(self, "memory", self.memory > 0, "more than 0")
        if wrong := [text for text in self.sbatch if "=" not in text]:
            raise SettingsError(f"--sbatch takes name=value, not {wrong[0]!r}")
        if self.kind == "slurm" and self.gpus != int(self.gpus):
            raise SettingsError(f"Slurm has whole --gpus, not {self.gpus}")

    @property
    def waits(self) -> bool:
        """Whether a run of it ends when the sweep has ended, and not before."""
        return self.kind != "slurm"

    def workers_or_default(self) -> int:
        """Return how many units run at a time."""
        return self.workers or (1000 if self.kind == "slurm" else len(count_cores()))

    @property
    def job(self) -> JobSettings:
        """What a unit asks Slurm for."""
        others = dict(text.split("=", 1) for text in self.sbatch)
        at_a_time = self.workers_or_default()
        gpus = int(self.gpus)
        return JobSettings(self.minutes, self.cpus, gpus, self.memory, at_a_time, others)


def run_units(
    sweep: SweepFolder,
    units: Sequence[Unit],
    left: Sequence[Unit],
    engine: Engine,
    look: Callable[[], None] = lambda: None,
) -> None:
    """Run units, and show how far the sweep comes; Slurm's jobs are only submitted.

    Args:
        sweep: where it is written down.
        units: all units of the sweep.
        left: those to run, the first first.
        engine: what runs them.
        look: called every now and then; what it raises stops them.

    Raises:
        SettingsError: the engine is not there.
        Stopped: by SIGINT or SIGTERM.
    """
    workers = min(engine.workers_or_default(), len(left))
    if engine.kind == "slurm":
        jobs = submit_units(sweep, left, engine.job)
        print(f"submitted {len(jobs)} jobs; python scripts/sweep.py status {sweep.name} follows")
        return
    watch = Watch(sweep, units, workers)

    def look_twice() -> None:
        watch.look()
        look()

    with watch.showing():
        if engine.kind == "ray":
            run_on_ray(sweep, left, engine.address, engine.cpus, engine.gpus, look_twice)
        else:
            run_locally(sweep, left, workers, engine.reserve_memory, look_twice)
