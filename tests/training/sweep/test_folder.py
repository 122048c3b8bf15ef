from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from everlearn.training.run import Status, write_status
from everlearn.training.sweep.describe import Sweep
from everlearn.training.sweep.folder import HELD, UNWRITABLE, Heard, SweepFolder
from everlearn.wrappers.errors import SettingsError


def heard(**changed: object) -> Heard:
    now = time.time()
    told = Heard(platform.node(), os.getpid(), now - 10, 100, now)
    return replace(told, **changed)  # type: ignore[arg-type]


def test_units_are_read_as_they_were_written(make_sweep: Callable[..., Sweep]) -> None:
    sweep = make_sweep()
    assert sweep.folder.read() == sweep.units
    assert sweep.folder.unit(sweep.units[1].name) == sweep.units[1]


def test_a_sweep_that_is_not_there(make_sweep: Callable[..., Sweep]) -> None:
    runs_folder = make_sweep().folder.runs_folder
    with pytest.raises(SettingsError, match=r"no sweep 'swep' in .*: there are sweep"):
        SweepFolder.of(runs_folder, "swep").read()
    (runs_folder / "sweeps" / "sweep" / "sweep.json").write_text("{")
    with pytest.raises(SettingsError, match="damaged"):
        SweepFolder.of(runs_folder, "sweep").read()


def test_states(make_sweep: Callable[..., Sweep]) -> None:
    sweep = make_sweep("0")
    (unit,) = sweep.units
    run_folder = sweep.folder.runs_folder / unit.folder
    run_folder.mkdir(parents=True)

    def word(status: Status | None = None, told: Heard | None = None) -> str:
        if status is not None:
            write_status(run_folder, status)
        if told is not None:
            sweep.folder.tell(unit, told)
        return sweep.folder.state(unit).word

    assert word() == "waiting"
    assert word(None, heard()) == "running"
    assert word(Status("running", 300, 1)) == "running"
    state = sweep.folder.state(unit)
    assert state.steps == 300
    assert state.rate == pytest.approx(20, rel=0.2)
    assert word(None, heard(heard=time.time() - 1000)) == "interrupted"
    assert word(None, heard(process=2**22 + 5)) == "interrupted"
    assert word(None, heard(process=2**22 + 5, machine="elsewhere")) == "running"
    for code in (143, 130, HELD, UNWRITABLE):
        assert word(Status("stopped", 300, 1), heard(code=code)) == "interrupted"
    assert word(Status("failed", 300, 1), heard(code=1, error="NaN")) == "failed"
    assert sweep.folder.state(unit).error == "NaN"
    assert word(Status("finished", unit.total_steps, 2)) == "finished"
    assert word(Status("finished", unit.total_steps - 1, 2), heard(code=0)) == "interrupted"


def test_what_is_damaged_is_as_nothing(make_sweep: Callable[..., Sweep]) -> None:
    sweep = make_sweep("0")
    (unit,) = sweep.units
    sweep.folder.tell(unit, heard())
    Path(sweep.folder.path / "units" / f"{unit.name}.json").write_text('{"machine": 3}')
    assert sweep.folder.hear(unit) is None
    assert sweep.folder.state(unit).word == "waiting"
