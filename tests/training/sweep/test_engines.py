from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from everlearn.scripts.sweep import main
from everlearn.training.sweep import engines
from everlearn.training.sweep.engines import Engine, run_units
from everlearn.training.sweep.slurm import JobSettings
from everlearn.wrappers.errors import SettingsError


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"workers": 0}, "--workers must be 1 or more, not 0"),
        ({"minutes": 0}, "--minutes must be 1 or more"),
        ({"memory": 0.0}, "--memory must be more than 0"),
        ({"reserve_memory": -1.0}, "--reserve-memory must be 0 or more"),
        ({"sbatch": ("partition",)}, "--sbatch takes name=value, not 'partition'"),
        ({"kind": "slurm", "gpus": 0.5}, "whole --gpus"),
    ],
)
def test_what_cannot_be_used(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        Engine(**changed).check()


def test_a_share_of_a_gpu_is_for_ray() -> None:
    Engine(kind="ray", gpus=0.25).check()


def test_what_slurm_is_asked_for() -> None:
    engine = Engine(kind="slurm", sbatch=("partition=long", "comment=a=b"), gpus=2.0)
    others = {"partition": "long", "comment": "a=b"}
    assert engine.job == JobSettings(240, 1, 2, 4.0, 1000, others)


def test_units_go_to_the_engine_that_was_asked_for(
    make_sweep: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = make_sweep("0-2")
    called: dict[str, Any] = {}
    for name in ("run_locally", "run_on_ray"):
        monkeypatch.setattr(engines, name, lambda *given, name=name: called.update({name: given}))
    monkeypatch.setattr(
        engines, "submit_units", lambda *given: called.update(submit_units=given) or [1, 2]
    )
    for kind in ("local", "ray", "slurm"):
        engine = Engine(kind=kind, workers=9, cpus=2, gpus=0.5)
        run_units(sweep.folder, sweep.units, sweep.units[:2], engine)
    assert called["run_locally"][1:4] == (sweep.units[:2], 2, 1.0)
    assert called["run_on_ray"][1:5] == (sweep.units[:2], "auto", 2, 0.5)
    assert called["submit_units"][:2] == (sweep.folder, sweep.units[:2])
    assert "submitted 2 jobs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [
        ("ray", "run --engine ray", "everlearn[ray]"),
        ("submitit", "run --engine slurm", "everlearn[slurm]"),
        ("optuna", "search --space gamma=0.9..0.99", "everlearn[search]"),
    ],
)
def test_an_extra_that_is_not_installed(
    package: str,
    arguments: str,
    extra: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, package, None)
    assert main([*arguments.split(), "--seeds", "0"]) == 2
    assert f"pip install {extra}" in capsys.readouterr().err
