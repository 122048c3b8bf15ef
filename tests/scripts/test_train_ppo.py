from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import gymnasium
import matplotlib.image
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv
from tensorboard.backend.event_processing import event_accumulator  # type: ignore[import-untyped]

from everlearn.evaluation.records import read_run
from everlearn.scripts.train_ppo import main
from everlearn.training import train as training

SCRIPT = Path(__file__).parents[2] / "scripts" / "train_ppo.py"
TINY = (
    "--stream everlearn/SlipperyAnt-v0:change_every=200 --methods continual-backprop --seed 0 "
    "--total-steps 512 --n-envs 4 --n-steps 64 --batch-size 64 --n-epochs 1 --hidden-sizes 8 8 "
    "--evaluation-steps 10"
)


def command_line(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


def test_a_run_from_the_command_line(tmp_path: Path) -> None:
    first = command_line(str(SCRIPT), *TINY.split(), cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "tensorboard --logdir runs" in first.stdout
    assert "100 %" in first.stderr
    (folder,) = tmp_path.glob("runs/SlipperyAnt-v0/ppo+continual-backprop/*/seed_0")
    record = read_run(folder)
    assert record.iterations["step"].tolist() == [256, 512]
    assert record.segments()["start"].tolist() == [0, 200, 400]
    assert len(record.episodes) > 0

    events = event_accumulator.EventAccumulator(str(folder), {"scalars": 0}).Reload()
    tags = events.Tags()["scalars"]
    assert {"rollout/ep_rew_mean", "train/loss", "stream/friction", "stream/segment"} <= set(tags)
    assert any(tag.startswith("plasticity/") for tag in tags)
    for tag in set(tags) & set(record.iterations):
        rows = record.iterations[["step", tag]].dropna()
        assert [scalar.step for scalar in events.Scalars(tag)] == rows["step"].tolist()
        values = np.array([scalar.value for scalar in events.Scalars(tag)], np.float32)
        np.testing.assert_array_equal(values, rows[tag].to_numpy(np.float32))
    assert matplotlib.image.imread(folder / "return.png").ndim == 3

    again = command_line("-m", "everlearn.scripts.train_ppo", *TINY.split(), cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "already finished" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            "--stream everlearn/SlipperyAntt-v0",
            "unknown stream 'everlearn/SlipperyAntt-v0': did you mean 'everlearn/SlipperyAnt-v0'?",
        ),
        ("--stream everlearn/SlipperyAnt-v0:change_evry=5", "did you mean 'change_every'?"),
        ("--stream everlearn/SlipperyAnt-v0:change_every=0", "must be a whole number of at least"),
        ("--methods continual-bakprop", "did you mean 'continual-backprop'?"),
        ("--methods continual-backprop:replacement_rat=1", "did you mean 'replacement_rate'?"),
        ("--methods continual-backprop:replacement_rate=much", "replacement_rate"),
        ("--total-steps -5", "--total-steps must be 1 or more, not -5"),
        ("--total-steps 0", "--total-steps must be 1 or more, not 0"),
        ("--n-envs 0", "--n-envs must be 1 or more, not 0"),
        ("--world-backend gymnasum", "did you mean 'gymnasium'?"),
        ("--runs-folder {file}/runs", "is not a folder"),
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
    (tmp_path / "file").write_text("")
    code = main(arguments.format(file=tmp_path / "file").split())
    shown = capsys.readouterr()
    assert code == 2
    assert shown.err.startswith("error: ")
    assert sentence in shown.err
    assert shown.err.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--total-steps many", "--total-steps"),
        ("--total-steps 2.5", "--total-steps"),
        ("--total-stps 5", "--total-steps INT"),
        ("--activation rlu", "'relu'"),
    ],
)
def test_flags_that_cannot_be_read(
    arguments: str,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(arguments.split())
    shown = capsys.readouterr()
    assert left.value.code == 2
    assert sentence in shown.err
    assert "Traceback" not in shown.err
    assert list(tmp_path.iterdir()) == []


class Unusable(gymnasium.Env):
    observation_space = spaces.Dict(camera=spaces.Box(0, 1, (4,)))
    action_space = spaces.Discrete(2)


def test_a_world_the_agent_cannot_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training, "make_vec_env", lambda *_, **__: DummyVecEnv([Unusable]))
    assert main([]) == 2
    shown = capsys.readouterr()
    assert shown.err == (
        "error: ppo cannot use the observation space Dict of 'everlearn/SlipperyAnt-v0': "
        "it can use Box, Discrete, MultiDiscrete, MultiBinary\n"
    )
    assert list(tmp_path.iterdir()) == []


def raise_(error: BaseException) -> Callable[..., None]:
    def raises(*_: object) -> None:
        raise error

    return raises


def test_an_interrupted_run_leaves_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training, "train", raise_(KeyboardInterrupt()))
    assert main([]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "train", raise_(ValueError("a fault")))
    with pytest.raises(ValueError, match="a fault"):
        main([])


def test_help_is_quick() -> None:
    code = (
        "import sys\nfrom everlearn.scripts.train_ppo import main\ntry:\n    main(['--help'])\n"
        "except SystemExit:\n    sys.exit('torch' in sys.modules)"
    )
    asked = command_line("-c", code, cwd=SCRIPT.parent)
    assert asked.returncode == 0
    assert "--total-steps" in asked.stdout
