from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from everlearn.training import train as training
from everlearn.training.run import Held, claim
from everlearn.training.stopping import Diverged, Stopped
from everlearn.training.sweep import unit as units
from everlearn.training.sweep.folder import HELD, UNWRITABLE
from everlearn.training.sweep.launch import start_unit
from everlearn.training.sweep.unit import run_unit
from everlearn.wrappers.errors import SettingsError

ENDLESS = (
    "--total-steps 1000000000 --n-envs 1 --n-steps 8 --batch-size 8 --n-epochs 1 --backend eager "
    "--hidden-sizes 8 8 --evaluate-every 0 --no-diagnostics"
)


def unwritable() -> SettingsError:
    error = SettingsError("cannot write the run folder: No space left on device")
    error.__cause__ = OSError(28, "No space left on device")
    return error


@pytest.mark.parametrize(
    ("error", "code", "word"),
    [
        (Diverged("iteration 3: a reward is not finite"), 1, "failed"),
        (ValueError("a fault"), 1, "failed"),
        (SettingsError("the checkpoint is damaged"), 2, "failed"),
        (unwritable(), UNWRITABLE, "waiting"),
        (Stopped(15), 143, "waiting"),
    ],
)
def test_how_a_unit_ends_is_heard_of(
    error: BaseException,
    code: int,
    word: str,
    make_sweep: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(settings: object) -> None:
        heard = sweep.folder.hear(sweep.units[0])
        assert heard is not None
        assert heard.code is None
        raise error

    sweep = make_sweep("0")
    monkeypatch.setattr(training, "train", fail)
    assert run_unit(sweep.folder, sweep.units[0]) == code
    heard = sweep.folder.hear(sweep.units[0])
    assert heard is not None
    assert heard.code == code
    assert str(error) in heard.error
    assert sweep.folder.state(sweep.units[0]).word == word


def test_a_unit_that_another_runs_is_left_to_it(
    make_sweep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = make_sweep("0")
    (unit,) = sweep.units
    with units._signs_of_life(sweep.folder, unit):
        told = sweep.folder.hear(unit)
        monkeypatch.setattr(units, "PATIENCE", 0.0)
        assert run_unit(sweep.folder, unit) == HELD
        assert sweep.folder.hear(unit) == told

    def held(settings: object) -> None:
        raise Held("another process is writing the run folder")

    monkeypatch.setattr(training, "train", held)
    assert run_unit(sweep.folder, unit) == HELD
    assert sweep.folder.state(unit).word == "waiting"


def test_a_unit_stops_when_what_started_it_ends(make_sweep: Any) -> None:
    sweep = make_sweep("0", words=ENDLESS)
    (unit,) = sweep.units
    process = start_unit(sweep.folder, unit)
    try:
        folder = sweep.folder.runs_folder / unit.folder
        wait_for(lambda: sweep.folder.state(unit).steps > 0, process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 143, sweep.folder.log(unit).read_text()
    finally:
        process.kill()
    assert sweep.folder.state(unit).word == "interrupted"
    assert list((folder / "checkpoint").iterdir())
    with claim(folder):
        pass


def wait_for(reached: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 90
    while not reached() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    assert reached()
