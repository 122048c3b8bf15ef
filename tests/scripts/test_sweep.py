from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from everlearn.scripts import train_ppo
from everlearn.scripts.sweep import main

TINY = (
    "--streams everlearn/SlipperyAnt-v0:change_every=200 --total-steps 256 --n-envs 2 --n-steps 64 "
    "--batch-size 64 --n-epochs 1 --hidden-sizes 8 8 --evaluate-every 0 --no-diagnostics"
)


def tables(folder: Path) -> dict[str, pd.DataFrame]:
    files = sorted(folder.rglob("*.csv"))
    read = {file.relative_to(folder).as_posix(): pd.read_csv(file) for file in files}
    return {n: t.drop(columns=[c for c in t if c.startswith("time/")]) for n, t in read.items()}


def test_a_sweep_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--seeds", "0-1", *TINY.split()]) == 0
    shown = capsys.readouterr().out
    assert "2 of 2 finished" in shown
    assert "report" in shown
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("seed_*/*")}

    assert main(["run", "--seeds", "0-1", "--dry-run", *TINY.split()]) == 0
    assert "2 units, 2 finished" in capsys.readouterr().out

    monkeypatch.setattr("everlearn.training.sweep.engines.run_locally", None)
    assert main(["run", "--seeds", "0-1", *TINY.split()]) == 0
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("seed_*/*")} == before
    assert main(["status"]) == 0
    assert main(["retry"]) == 0
    assert "2 of 2 finished" in capsys.readouterr().out

    # One seed alone, by the training script, comes out the same.
    words = TINY.replace("--streams", "--stream") + " --seed 1 --runs-folder alone"
    assert train_ppo.main(words.split()) == 0
    alone, ours = tables(tmp_path / "alone"), tables(tmp_path / "runs")
    assert alone
    for name, table in alone.items():
        pd.testing.assert_frame_equal(table, ours[name], check_exact=True)


def test_a_dry_run_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["--seeds", "0-2", "--methods", "none", "l2-init redo", *TINY.split()]
    assert main(["plan", *asked]) == 0
    planned = capsys.readouterr().out
    assert main(["run", "--dry-run", *asked]) == 0
    assert capsys.readouterr().out == planned
    assert planned.count("waiting") == 6
    assert "ppo+l2-init+redo" in planned
    assert "6 units, 0 finished; with " in planned
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("status swep", "no sweep 'swep'"),
        ("retry", "no sweep 'sweep'"),
        ("status --total-steps 5", "unknown setting '--total-steps'"),
        ("run --streams everlearn/SlipperyAntt-v0", "did you mean 'everlearn/SlipperyAnt-v0'?"),
        ("run --workers 0", "--workers must be 1 or more"),
        ("run --file nothing.yaml", "cannot be read"),
        ("plan --methods nap+layer-norm", "only one method can bring the normalization"),
        ("run --methods nap+layer-norm", "ppo+nap+layer-norm in everlearn/SlipperyAnt-v0: only"),
    ],
)
def test_what_cannot_be_done(arguments: str, sentence: str, refused: Any) -> None:
    # A set of methods is one word of the shell.
    assert sentence in refused(main, [word.replace("+", " ") for word in arguments.split()])


def test_help_is_quick() -> None:
    code = (
        "import sys\nfrom everlearn.scripts.sweep import main\ntry:\n    main(['run', '--help'])\n"
        "except SystemExit:\n    sys.exit('torch' in sys.modules)"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert asked.returncode == 0
    assert "--streams" in asked.stdout
