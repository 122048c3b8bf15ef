from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from everlearn.evaluation.records import read_run
from everlearn.scripts.train_recurrent_ppo import main

TINY = (
    "--seed 0 --total-steps 64 --n-envs 2 --n-steps 16 --batch-size 16 --n-epochs 1 --lstm-size 4 "
    "--hidden-sizes 8 --evaluate-every 0 --runs-folder {folder}"
)


def test_a_run_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = TINY.format(folder=tmp_path).split()
    assert main(arguments) == 0
    assert "100 %" in capsys.readouterr().err
    (folder,) = tmp_path.glob("CartPoleForceSign-v0/recurrent-ppo/*/seed_0")
    assert read_run(folder).iterations["step"].tolist() == [32, 64]
    assert main(arguments) == 0
    assert "already finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--lstm-size 0", "--lstm-size must be 1 or more, not 0"),
        ("--methods layer-norm", "'layer-norm' cannot be used with RecurrentPPO"),
    ],
)
def test_settings_that_cannot_be_used(arguments: str, sentence: str, refused: Any) -> None:
    assert sentence in refused(main, arguments.split())
