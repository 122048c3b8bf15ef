"""What `scripts/sweep.py` does: plan, run, status, retry."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from ...wrappers.errors import SettingsError
from ..terminal import print_table
from .describe import Description, Sweep, read_sweep
from .engines import Engine, IncompleteError, run_units
from .expect import expect, expect_seconds
from .folder import SweepFolder
from .show import Look, print_look, say_size, say_time
from .units import Unit


@dataclass(frozen=True)
class Plan:
    """Show which units a sweep has, how long they will take and how much room; run nothing.

    Any setting of the training scripts may follow.
    """

    sweep: Annotated[Description, tyro.conf.arg(name="")] = field(default_factory=Description)
    """What to run."""

    engine: Annotated[Engine, tyro.conf.arg(name="")] = field(default_factory=Engine)
    """What would run it."""

    def run(self, words: Sequence[str]) -> None:
        """Do it.

        Args:
            words: settings of the agents.
        """
        print_plan(_read_new(self.sweep, words), self.engine.workers_or_default())


@dataclass(frozen=True)
class Run:
    """Run a sweep; what is finished is left alone, what has begun goes on, what failed waits.

    The same command again completes a sweep that was ended, and runs what is missing of one
    that has grown. Any setting of the training scripts may follow.
    """

    sweep: Annotated[Description, tyro.conf.arg(name="")] = field(default_factory=Description)
    """What to run."""

    engine: Annotated[Engine, tyro.conf.arg(name="")] = field(default_factory=Engine)
    """What runs it."""

    dry_run: bool = False
    """Whether to show what would run, and run nothing."""

    def run(self, words: Sequence[str]) -> None:
        """Do it.

        Args:
            words: settings of the agents.
        """
        sweep = _read_new(self.sweep, words)
        if self.dry_run:
            print_plan(sweep, self.engine.workers_or_default())
            return
        self.engine.check()
        sweep.folder.write(sweep.units)
        look = Look.at(sweep.folder, sweep.units)
        left = _in_state(look, "waiting", "interrupted")
        _run_and_tell(sweep.folder, sweep.units, left, self.engine)


@dataclass(frozen=True)
class Status:
    """Show how far a sweep has come; from any shell and machine that sees its folder."""

    name: Annotated[str, tyro.conf.Positional] = "sweep"
    """The sweep's name."""

    runs_folder: Path = Path("runs")
    """The folder of all runs."""

    def run(self, words: Sequence[str]) -> None:
        """Do it.

        Args:
            words: must be none.
        """
        _require_none(words)
        print_look(
            Look.at(SweepFolder.of(self.runs_folder, self.name)), Engine().workers_or_default()
        )


@dataclass(frozen=True)
class Retry:
    """Run the units of a sweep that failed once more, each from its last checkpoint."""

    name: Annotated[str, tyro.conf.Positional] = "sweep"
    """The sweep's name."""

    runs_folder: Path = Path("runs")
    """The folder of all runs."""

    engine: Annotated[Engine, tyro.conf.arg(name="")] = field(default_factory=Engine)
    """What runs it."""

    def run(self, words: Sequence[str]) -> None:
        """Do it.

        Args:
            words: must be none.
        """
        _require_none(words)
        self.engine.check()
        look = Look.at(SweepFolder.of(self.runs_folder, self.name))
        _run_and_tell(look.sweep, look.units, _in_state(look, "failed"), self.engine)


def print_plan(sweep: Sweep, workers: int) -> None:
    """Print the units of a sweep and what they are expected to need.

    Args:
        sweep: with all settings read.
        workers: how many units would run at a time.
    """
    look = Look.at(sweep.folder, sweep.units)
    runs_folder = sweep.folder.runs_folder
    expected = [expect(unit, runs_folder) for unit in look.units]
    rows = [
        [unit.folder, f"{unit.total_steps:,}", state.word, say_time(left), say_size(needs.size)]
        for unit, state, needs in zip(look.units, look.states, expected, strict=True)
        for left in [expect_seconds([unit], [state], [needs], 1)]
    ]
    columns = ["unit", "steps", "state", "time", "disk"]
    print_table(columns, rows, right=["steps", "time", "disk"], whole=["state"])
    seconds = expect_seconds(look.units, look.states, expected, workers)
    size = sum(needs.size for needs in expected)
    print(
        f"{len(look.units)} units, {look.count('finished')} finished; with {workers} at a time "
        f"about {say_time(seconds)}; {say_size(size)} of disk, where "
        f"{say_size(_free(runs_folder))} are free"
    )
    if not all(needs.measured for needs in expected):
        print("time and disk are guesses where nothing like a unit has run in this folder yet")


def _run_and_tell(
    sweep: SweepFolder, units: Sequence[Unit], left: Sequence[Unit], engine: Engine
) -> None:
    """Run what is left of a sweep, and say what has come of it."""
    if left:
        run_units(sweep, units, left, engine)
    look = Look.at(sweep, units)
    print_look(look, engine.workers_or_default())
    if look.complete:
        print(f"report: python scripts/report.py {sweep.runs_folder}")
    elif engine.waits:
        raise IncompleteError


def _read_new(description: Description, words: Sequence[str]) -> Sweep:
    """Read a sweep, and build one agent of each arm without a run: none is found wrong later."""
    # Imported late: torch takes seconds, and a look at a sweep does not need it.
    from ..train import rehearse

    sweep = read_sweep(description, words)
    runs_folder = sweep.folder.runs_folder
    begun = {unit.arm for unit in sweep.units if (runs_folder / unit.folder).exists()}
    # The first unit of each arm, in their order.
    first = {unit.arm: unit for unit in reversed(sweep.units) if unit.arm not in begun}
    for unit in reversed(first.values()):
        try:
            rehearse(unit.run_settings(runs_folder))
        except SettingsError as error:
            raise SettingsError(f"{unit.label} in {unit.stream}: {error}") from error
    return sweep


def _in_state(look: Look, *words: str) -> list[Unit]:
    pairs = zip(look.units, look.states, strict=True)
    return [unit for unit, state in pairs if state.word in words]


def _free(folder: Path) -> float:
    nearest = folder.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    return float(shutil.disk_usage(nearest).free)


def _require_none(words: Sequence[str]) -> None:
    if words:
        raise SettingsError(f"unknown setting {words[0]!r}: a sweep that is there keeps its own")
