from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from everlearn.scripts.report import main as report
from everlearn.scripts.train_ppo import main as train_ppo
from everlearn.training.sweep.missing import missing_units, without_tuning

sys.path.insert(0, str(Path(__file__).parent))
from conftest import STREAM, TINY, finish  # type: ignore[import-not-found]


def test_what_is_missing_is_said_for_each_arm(make_sweep: Any) -> None:
    sweep = make_sweep("0-2", methods=("none", "redo"))
    runs = sweep.folder.runs_folder
    for unit in sweep.units[:3]:
        finish(sweep.folder, unit)
    redo, plain = missing_units([runs])
    assert "ppo " in plain
    assert "lacks 1 of 3 seeds: 2 (waiting)" in plain
    assert "lacks 2 of 3 seeds: 1 (waiting), 2 (waiting)" in redo
    assert missing_units([(runs / sweep.units[1].folder).parent.parent]) == [redo]
    assert missing_units([runs, runs]) == [redo, plain]
    assert missing_units([runs / sweep.units[0].folder]) == []


def test_a_damaged_list_is_said(make_sweep: Any) -> None:
    sweep = make_sweep("0")
    (sweep.folder.path / "sweep.json").write_text("[]")
    (note,) = missing_units([sweep.folder.runs_folder])
    assert "damaged" in note


def test_tuning_is_not_reported_beside_others() -> None:
    reported, tuned = Path("a/seed_3"), Path("a/seed_2147483651")
    assert without_tuning([tuned, reported])[0] == [reported]
    assert without_tuning([tuned]) == ([tuned], [])
    assert without_tuning([Path("mine")]) == ([Path("mine")], [])


def test_a_report_on_half_a_sweep(
    make_sweep: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = make_sweep("0-1")
    runs = sweep.folder.runs_folder
    assert train_ppo(f"--stream {STREAM} --seed 0 --runs-folder {runs} {TINY}".split()) == 0
    capsys.readouterr()
    assert report([str(runs), "--output", str(tmp_path / "report")]) == 0
    said = capsys.readouterr().out
    assert "1 runs in 1 streams" in said
    assert "lacks 1 of 2 seeds: 1 (waiting)" in said
    assert "lacks 1 of 2 seeds: 1 (waiting)" in (tmp_path / "report" / "report.html").read_text()
