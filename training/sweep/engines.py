"""What can run the units of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ...wrappers.errors import SettingsError
from .folder import SweepFolder
from .local import count_cores, run_locally
from .show import Watch
from .units import Unit


@dataclass(frozen=True)
class Engine:
    """Where units run, and how many at a time."""

    backend: Literal["local"] = "local"
    """local: processes on this machine."""

    workers: int | None = None
    """Units that run at a time: by default one for each core."""

    reserve_memory: float = 1.0
    """Gigabytes of memory to keep free: no unit starts while less is."""

    def check(self) -> None:
        """Raise `SettingsError` for what cannot be used."""
        if self.workers is not None and self.workers < 1:
            raise SettingsError(f"--workers must be 1 or more, not {self.workers}")
        if self.reserve_memory < 0:
            raise SettingsError(f"--reserve-memory must be 0 or more, not {self.reserve_memory}")

    @property
    def waits(self) -> bool:
        """Whether a run of it ends when the sweep has ended, and not before."""
        return True

    def workers_or_default(self) -> int:
        """Return how many units run at a time."""
        return self.workers or len(count_cores())


def run_units(
    sweep: SweepFolder, units: Sequence[Unit], left: Sequence[Unit], engine: Engine
) -> None:
    """Run units, and show how far the sweep comes.

    Args:
        sweep: where it is written down.
        units: all units of the sweep.
        left: those to run, the first first.
        engine: what runs them.
    """
    workers = min(engine.workers_or_default(), len(left))
    watch = Watch(sweep, units, workers)
    with watch.showing():
        run_locally(sweep, left, workers, engine.reserve_memory, watch.look)
