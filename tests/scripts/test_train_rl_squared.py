from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from everlearn.evaluation.records import read_run
from everlearn.scripts.train_rl_squared import main

TINY = (
    "--seed 0 --total-steps 64 --n-envs 2 --levels 3 --held-out 2 --evaluate-every 0 "
    "--base recurrent-ppo:n_steps=16,batch_size=16,n_epochs=1,lstm_size=4 --runs-folder {folder}"
)


def test_a_run_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = TINY.format(folder=tmp_path).split()
    assert main(arguments) == 0
    assert "100 %" in capsys.readouterr().err
    (folder,) = tmp_path.glob("CartPoleForces-v0/rl-squared/*/seed_0")
    assert read_run(folder).iterations["step"].tolist() == [32, 64]
    assert main(arguments) == 0
    assert "already finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--episodes 0", "--episodes must be 1 or more, not 0"),
        ("--base sac", "unknown base 'sac'"),
        ("--stream everlearn/CW3-v0:steps_per_task=50 --held-out 1", "ask for another back end"),
    ],
)
def test_settings_that_cannot_be_used(arguments: str, sentence: str, refused: Any) -> None:
    assert sentence in refused(main, arguments.split())
