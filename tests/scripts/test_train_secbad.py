from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from everlearn.evaluation.records import read_run
from everlearn.scripts.train_secbad import main

TINY = (
    "--context secbad:hidden_size=4,decoder_size=4,n_samples=2,train_every=128,updates=2 "
    "--base ppo:n_steps=64,batch_size=64,hidden_sizes=[8] --seed 0 --total-steps 300 --n-envs 2 "
    "--evaluate-every 1 --evaluation-steps 10 --runs-folder {folder}"
)


def test_a_run_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = TINY.format(folder=tmp_path).split()
    assert main(arguments) == 0
    assert "100 %" in capsys.readouterr().err
    (folder,) = tmp_path.glob("CartPoleForceSign-v0/secbad/*/seed_0")
    record = read_run(folder)
    assert record.iterations["step"].tolist() == [128, 256, 384]
    for name in ("loss", "reconstruction", "divergence", "deviation", "expected_age"):
        assert record.iterations[f"context/{name}"].notna().all()
    assert len(record.episodes) > 2
    assert (folder / "evaluations.csv").read_text().count("\n") > 8
    assert main(arguments) == 0
    assert "already finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--context windows", "setting 'kind' must be one of"),
        ("--context secbad:window=0", "setting 'window' must be 1 or more, not 0"),
        ("--base sac", "sac cannot use the action space Discrete"),
    ],
)
def test_settings_that_cannot_be_used(arguments: str, sentence: str, refused: Any) -> None:
    assert sentence in refused(main, arguments.split())
