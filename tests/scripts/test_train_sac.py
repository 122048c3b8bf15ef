from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from everlearn.agents import SAC
from everlearn.evaluation.records import read_run
from everlearn.scripts.train_sac import main, read
from everlearn.training.sac import TrainSAC

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
        ("--preset srsac", "unknown preset 'srsac': did you mean 'sr-sac'?"),
        ("--seed 1 --preset", "--preset needs a name: sr-sac, bro, ace, wsrl"),
        ("--methods warm-start:steps=-1", "warm-start setting 'steps' must be 0 or more, not -1"),
        ("--start-from nowhere.zip", "there is no agent nowhere.zip"),
    ],
)
def test_settings_that_cannot_be_used(arguments: str, sentence: str, refused: Any) -> None:
    assert sentence in refused(main, arguments.split())


def test_help_tells_presets(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    for name in ("sr-sac", "bro", "ace", "wsrl", "--start-from", "streams.py", "docs/methods.md"):
        assert name in shown
    # Once where presets are told, and once among the other settings.
    assert shown.count("--preset NAME") == 2


def test_the_command_line_goes_before_the_preset() -> None:
    settings = read(["--replay-ratio", "2", "--preset", "wsrl", "--seed", "3"])
    assert (settings.replay_ratio, settings.n_critics, settings.seed) == (2, 10, 3)
    assert settings.methods == ("warm-start",)
    # Also with a value that is the default where there is no preset.
    assert read(["--preset=wsrl", "--n-critics", "2"]).n_critics == 2
    assert read([]) == TrainSAC()


SMALL = (
    "--stream everlearn/SlipperyAnt-v0:change_every=100 --total-steps 100 --iteration-steps 50 "
    "--batch-size 8 --hidden-sizes 8 --evaluate-every 0 --buffer-size 500 --no-diagnostics"
)


@pytest.mark.parametrize("preset", ["sr-sac", "bro", "ace", "wsrl"])
def test_presets_train(preset: str, tmp_path: Path) -> None:
    own = f"--preset {preset} --replay-ratio 0.1 --runs-folder {tmp_path}"
    starts = [] if preset == "wsrl" else ["--learning-starts", "40"]
    assert main([*SMALL.split(), *own.split(), *starts]) == 0
    (folder,) = tmp_path.glob("SlipperyAnt-v0/*/*/seed_0")
    rows = read_run(folder).iterations
    # WSRL's policy is frozen for longer than this run.
    assert rows["replay/ratio"].iloc[-1] == pytest.approx(0 if preset == "wsrl" else 0.1)


def test_a_run_begins_from_an_earlier_one(tmp_path: Path) -> None:
    common = [*SMALL.split(), "--learning-starts", "20", "--runs-folder", str(tmp_path)]
    assert main([*common, "--replay-ratio", "0.2"]) == 0
    (donor,) = tmp_path.glob("SlipperyAnt-v0/sac/*/seed_0")
    methods = ["--methods", "warm-start:steps=500,ratio=none", "--start-from", str(donor)]
    assert main([*common, *methods, "--replay-ratio", "0.2", "--seed", "1"]) == 0
    (folder,) = tmp_path.glob("SlipperyAnt-v0/sac+warm-start/*/seed_1")
    rows = read_run(folder).iterations
    assert rows["replay/ratio"].tolist() == [0, 0]
    # The stream does not tell its learner of changes.
    assert rows["replay/warm_starts"].tolist() == [1, 1]
    ours, theirs = (SAC.load(each / "model.zip", device="cpu") for each in (folder, donor))
    pairs = zip(ours.policy.parameters(), theirs.policy.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
