"""The folder of a sweep: which units it has, and what is heard of each.

It lies among the runs, in `<runs>/sweeps/<name>/`, and is all that `status` reads, beside the
runs' own `status.json`: whoever sees the folder can look, from any shell and any machine.
"""

from __future__ import annotations

import json
import platform
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from ...wrappers.errors import SettingsError
from ..run import read_status, require_writable, write_json
from .units import Unit

SWEEPS = "sweeps"
"""The folder of all sweeps, in that of all runs."""

LIST = "sweep.json"
"""The file with the units of a sweep."""

SILENCE = 60.0
"""Seconds after which a unit that is not heard of is taken to have been killed."""

UNWRITABLE = 74
"""What a unit ends with that cannot write, as on a full disk (EX_IOERR of sysexits.h)."""

HELD = 75
"""What a unit ends with that another process runs (EX_TEMPFAIL of sysexits.h)."""

NO_FAULT = (0, UNWRITABLE, HELD, 128 + signal.SIGINT, 128 + signal.SIGTERM)
"""What units end with that are only to be started again."""

Word = Literal["finished", "running", "waiting", "interrupted", "failed"]


@dataclass(frozen=True)
class Heard:
    """What is heard of the process that runs a unit."""

    machine: str
    """Its name."""

    process: int
    """The process's number there."""

    began: float
    """Seconds of the clock on the wall when it began."""

    steps: int
    """Environment steps that the run had taken then."""

    heard: float
    """When it was last heard of."""

    code: int | None = None
    """What it ended with; None until then."""

    error: str = ""
    """Why it ended, if not well."""

    def lives(self, now: float) -> bool:
        """Return whether the process still runs, as far as anyone can tell.

        Args:
            now: seconds of the clock on the wall.
        """
        if self.code is not None or now - self.heard > SILENCE:
            return False
        return self.machine != platform.node() or psutil.pid_exists(self.process)


@dataclass(frozen=True)
class State:
    """How far a unit has come."""

    word: Word
    """Interrupted ones have begun, and go on; failed ones ended by a fault of their own."""

    steps: int = 0
    """Environment steps taken."""

    rate: float = 0.0
    """Environment steps a second, of one that is running."""

    error: str = ""
    """What a failed one ended with."""


@dataclass(frozen=True)
class SweepFolder:
    """Where a sweep is written down."""

    path: Path
    """The folder."""

    @classmethod
    def of(cls, runs_folder: Path, name: str) -> SweepFolder:
        """Return the folder of a sweep.

        Args:
            runs_folder: the folder of all runs.
            name: the sweep's.
        """
        return cls(runs_folder / SWEEPS / name)

    @property
    def name(self) -> str:
        """The sweep's name."""
        return self.path.name

    @property
    def runs_folder(self) -> Path:
        """The folder of all runs."""
        return self.path.parents[1]

    def write(self, units: Sequence[Unit]) -> None:
        """Write down which units there are.

        Args:
            units: all of them.

        Raises:
            SettingsError: the folder cannot be written.
        """
        require_writable(self.path)
        try:
            for folder in ("units", "logs"):
                (self.path / folder).mkdir(parents=True, exist_ok=True)
            listed = {"name": self.name, "units": [asdict(unit) for unit in units]}
            write_json(self.path / LIST, listed)
        except OSError as error:
            reason = error.strerror or error
            raise SettingsError(f"cannot write the sweep {self.path}: {reason}") from error

    def read(self) -> tuple[Unit, ...]:
        """Return the units.

        Raises:
            SettingsError: there is no such sweep, or its list is damaged.
        """
        try:
            listed = json.loads((self.path / LIST).read_text(encoding="utf-8"))
            return tuple(Unit(**unit) for unit in listed["units"])
        except FileNotFoundError:
            there = sorted(file.parent.name for file in self.path.parent.glob(f"*/{LIST}"))
            known = f"there are {', '.join(there)}" if there else "there are none"
            raise SettingsError(
                f"there is no sweep {self.name!r} in {self.path.parent}: {known}"
            ) from None
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise SettingsError(f"the list of units {self.path / LIST} is damaged") from error

    def unit(self, name: str) -> Unit:
        """Return one unit.

        Args:
            name: the unit's.
        """
        return next(unit for unit in self.read() if unit.name == name)

    def log(self, unit: Unit) -> Path:
        """Return the file that gets all that a unit says."""
        return self.path / "logs" / f"{unit.name}.txt"

    def tell(self, unit: Unit, heard: Heard) -> None:
        """Write what is heard of a unit; a full disk keeps silent."""
        with suppress(OSError):
            write_json(self._file(unit), asdict(heard))

    def hear(self, unit: Unit) -> Heard | None:
        """Return what was heard of a unit; None if nothing was."""
        try:
            told: dict[str, Any] = json.loads(self._file(unit).read_text(encoding="utf-8"))
            return Heard(**told)
        except (OSError, ValueError, TypeError):
            return None

    def state(self, unit: Unit, now: float | None = None) -> State:
        """Return how far a unit has come.

        Args:
            unit: one of the sweep's.
            now: seconds of the clock on the wall.
        """
        now = time.time() if now is None else now
        run = read_status(self.runs_folder / unit.folder)
        heard = self.hear(unit)
        steps = 0 if run is None else run.steps
        if run is not None and run.state == "finished" and steps >= unit.total_steps:
            return State("finished", steps)
        if heard is not None and heard.lives(now):
            lived = max(now - heard.began, 1e-9)
            return State("running", steps, max(steps - heard.steps, 0) / lived)
        if heard is not None and heard.code is not None and heard.code not in NO_FAULT:
            return State("failed", steps, error=heard.error)
        return State("waiting" if run is None else "interrupted", steps)

    def _file(self, unit: Unit) -> Path:
        return self.path / "units" / f"{unit.name}.json"
