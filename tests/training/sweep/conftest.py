from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from everlearn.training.run import TABLES, Status, write_status
from everlearn.training.sweep import local
from everlearn.training.sweep.describe import Description, Sweep, read_sweep
from everlearn.training.sweep.folder import SweepFolder
from everlearn.training.sweep.units import Unit

TINY = (
    "--total-steps 512 --n-envs 4 --n-steps 64 --batch-size 64 --n-epochs 1 --hidden-sizes 8 8 "
    "--evaluate-every 0 --checkpoint-every 1 --no-diagnostics"
)
ITERATION = 256
LONGER = TINY.replace("512", "1536")
STREAM = "everlearn/SlipperyAnt-v0:change_every=200"


@pytest.fixture
def make_sweep(tmp_path: Path) -> Callable[..., Sweep]:
    def make(
        seeds: str = "0-1",
        methods: Sequence[str] = ("none",),
        words: str = TINY,
        folder: str = "runs",
    ) -> Sweep:
        described = Description(
            streams=(STREAM,), methods=tuple(methods), seeds=seeds, runs_folder=tmp_path / folder
        )
        sweep = read_sweep(described, words.split())
        sweep.folder.write(sweep.units)
        return sweep

    return make


def finish(sweep: SweepFolder, unit: Unit, steps: int | None = None) -> None:
    """Write down what a finished run does."""
    folder = sweep.runs_folder / unit.folder
    folder.mkdir(parents=True, exist_ok=True)
    write_status(folder, Status("finished", unit.total_steps if steps is None else steps, 1))


class Pretended:
    """Starts processes that run a few lines of Python in place of units.

    Args:
        script: what they run; the unit's run folder is `folder`, its name `name`.
    """

    def __init__(self, script: str) -> None:
        self.script = textwrap.dedent(script)
        self.started: list[str] = []
        self.cores: list[tuple[int, ...]] = []

    def __call__(self, sweep: SweepFolder, unit: Unit, cores: Sequence[int] = ()) -> Any:
        self.started.append(unit.name)
        self.cores.append(tuple(cores))
        folder = sweep.runs_folder / unit.folder
        folder.mkdir(parents=True, exist_ok=True)
        head = f"import os, sys, time; folder = {str(folder)!r}; name = {unit.name!r}\n"
        status = f'{{"state": "finished", "steps": {unit.total_steps}, "iteration": 1}}'
        head += f"def finish(): open(folder + '/status.json', 'w').write('{status}')\n"
        return subprocess.Popen(
            [sys.executable, "-S", "-c", head + self.script], env=dict(os.environ)
        )


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Pretended]:
    def replace(script: str) -> Pretended:
        pretended = Pretended(script)
        monkeypatch.setattr(local, "start_unit", pretended)
        return pretended

    return replace


def is_under_way(sweep: Sweep, unit: Unit) -> bool:
    """Return whether a unit is in the midst of training, and has a checkpoint."""
    state = sweep.folder.state(unit)
    assert state.word != "finished", "it was not looked at often enough"
    # The checkpoint of an iteration is there before the next one's steps are told.
    return state.word == "running" and ITERATION < state.steps < unit.total_steps * 0.5


def count_restarts(sweep: Sweep) -> int:
    """Return how many units went on from a checkpoint."""
    return sum("going on from there" in sweep.folder.log(u).read_text() for u in sweep.units)


def compare_sweeps(ours: Sweep, theirs: Sweep) -> None:
    """Raise unless the tables of two sweeps are equal, bit for bit."""
    for one, other in zip(ours.units, theirs.units, strict=True):
        assert one.folder == other.folder
        for table in TABLES:
            pair = [s.folder.runs_folder / one.folder / table for s in (ours, theirs)]
            assert pair[0].exists() == pair[1].exists()
            if pair[0].exists():
                read = [pd.read_csv(file) for file in pair]
                read = [t.drop(columns=[c for c in t if c.startswith("time/")]) for t in read]
                pd.testing.assert_frame_equal(*read, check_exact=True)
