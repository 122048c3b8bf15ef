from __future__ import annotations

from pathlib import Path

import pytest

from everlearn.evaluation.records import read_run
from everlearn.scripts.train_sac import main

TINY = (
    "--stream everlearn/SlipperyAnt-v0:change_every=200 --methods continual-backprop --seed 0 "
    "--total-steps 350 --n-envs 2 --iteration-steps 100 --learning-starts 100 --batch-size 32 "
    "--replay-ratio 0.25 --hidden-sizes 8 8 --evaluation-steps 10 --runs-folder {folder}"
)


def test_a_run_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = TINY.format(folder=tmp_path).split()
    assert main(arguments) == 0
    shown = capsys.readouterr()
    assert "critic_1/replaced_units" in shown.out
    assert "100 %" in shown.err
    assert shown.err.count("\n") == 10
    (folder,) = tmp_path.glob("SlipperyAnt-v0/sac+continual-backprop/*/seed_0")
    rows = read_run(folder).iterations
    assert rows["step"].tolist() == [100, 200, 300, 400]
    assert rows["iteration"].tolist() == [1, 2, 3, 4]
    assert rows["replay/ratio"].tolist() == pytest.approx([0, 0.25, 0.25, 0.25])
    assert rows["stream/segment"].tolist() == [0, 1, 1, 2]
    assert rows["train/critic_loss"].notna().tolist() == [False, True, True, True]
    assert (folder / "return.png").exists()
    assert main(arguments) == 0
    assert "already finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--stream everlearn/SlipperyAntt-v0", "did you mean 'everlearn/SlipperyAnt-v0'?"),
        ("--replay-ratio -1", "--replay-ratio must be 0 or more, not -1.0"),
        ("--methods continual-bakprop", "did you mean 'continual-backprop'?"),
    ],
)
def test_settings_that_cannot_be_used(
    arguments: str,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments.split()) == 2
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert shown.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
