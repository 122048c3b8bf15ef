from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from stable_baselines3 import PPO

from everlearn.agents import PPO as EverlearnPPO
from everlearn.envs import make_stream
from everlearn.evaluation.records import read_run
from everlearn.training import train as module
from everlearn.training.logging import StreamRecorder
from everlearn.training.ppo import TrainPPO
from everlearn.training.run import Status, read_status, write_status
from everlearn.training.train import plan_run, rehearse, train
from everlearn.wrappers.errors import SettingsError

SMALL = TrainPPO(
    stream="everlearn/SlipperyAnt-v0:change_every=100",
    methods=("continual-backprop",),
    total_steps=128,
    n_envs=2,
    n_steps=32,
    batch_size=32,
    n_epochs=1,
    hidden_sizes=(8, 8),
    evaluation_steps=10,
)


def small(folder: Path, **changed: Any) -> TrainPPO:
    return replace(SMALL, runs_folder=str(folder), **changed)


def tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    record = read_run(folder)
    timeless = [name for name in record.iterations if not name.startswith("time/")]
    return record.iterations[timeless], record.episodes


def weights(folder: Path) -> dict[str, list[float]]:
    policy = PPO.load(folder / "model.zip", device="cpu").policy
    return {name: tensor.flatten().tolist() for name, tensor in policy.state_dict().items()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(small(tmp_path_factory.mktemp("runs"))).folder


def test_a_run_folder_holds_everything(finished: Path) -> None:
    parts = finished.parts[-4:]
    assert parts[:2] == ("SlipperyAnt-v0", "ppo+continual-backprop")
    assert parts[3] == "seed_0"
    names = {file.name for file in finished.iterdir() if not file.name.startswith((".", "events"))}
    assert names == {
        "changes.csv",
        "checkpoint",
        "config.yaml",
        "episodes.csv",
        "evaluations.csv",
        "iterations.csv",
        "model.zip",
        "return.png",
        "stamp.json",
        "status.json",
    }
    assert len(list(finished.glob("events.out.tfevents.*"))) == 1
    status = read_status(finished)
    assert status is not None
    assert status.checkpoints.startswith("1 in ")
    assert replace(status, checkpoints="") == Status("finished", 128, 2)


def test_the_configuration_leaves_nothing_open(finished: Path) -> None:
    config = yaml.safe_load((finished / "config.yaml").read_text())
    assert config["hash"] == finished.parent.name
    assert config["stream"]["name"] == "everlearn/SlipperyAnt-v0"
    assert config["methods"][0]["name"] == "continual-backprop"
    assert len(config["methods"][0]) > 1
    assert config["ppo"]["n_steps"] == 32
    assert config["total_steps"] == 128


def test_each_iteration_holds_its_own_update_and_rollout(finished: Path) -> None:
    iterations, _ = tables(finished)
    assert iterations["iteration"].tolist() == [1, 2]
    assert iterations["step"].tolist() == [64, 128]
    assert iterations["stream/segment"].tolist() == [0, 1]
    assert iterations["train/loss"].notna().all()
    assert any(name.startswith("plasticity/") for name in iterations)


def test_a_finished_run_is_left_alone(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {file: file.stat().st_mtime_ns for file in finished.iterdir()}
    result = train(small(finished.parents[3], total_steps=100))
    assert (result.folder, result.steps, result.iterations) == (finished, 128, 2)
    assert {file: file.stat().st_mtime_ns for file in finished.iterdir()} == before
    assert "already finished, with 128 steps" in capsys.readouterr().out


def test_an_unfinished_run_starts_again_with_clean_tables(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = small(tmp_path)
    folder = plan_run(settings).folder
    folder.mkdir(parents=True)
    write_status(folder, Status("running", 64, 1))
    for name in ("iterations.csv", "episodes.csv", "events.out.tfevents.1.old"):
        (folder / name).write_text("from,before\n1,2\n")
    assert train(settings).folder == folder
    assert "found 64 of 128 steps (running): starting again" in capsys.readouterr().out
    assert len(list(folder.glob("events*"))) == 1
    for ours, theirs in zip(tables(folder), tables(finished), strict=True):
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    assert weights(folder) == weights(finished)


def test_another_seed_is_another_run(finished: Path) -> None:
    other = train(small(finished.parents[3], seed=1)).folder
    assert other == finished.with_name("seed_1")
    assert weights(other) != weights(finished)


def test_the_hash_knows_what_was_meant_and_not_how_it_was_written(tmp_path: Path) -> None:
    base = plan_run(small(tmp_path)).hash
    same: list[dict[str, Any]] = [{"seed": 5}, {"total_steps": 9}, {"runs_folder": "elsewhere"}]
    for changed in same:
        assert plan_run(replace(SMALL, **changed)).hash == base
    assert plan_run(replace(SMALL, n_envs=64, n_steps=None)).hash == (
        plan_run(replace(SMALL, n_envs=64, n_steps=32)).hash
    )
    others: list[dict[str, Any]] = [
        {"learning_rate": 1e-3},
        {"methods": ()},
        {"methods": ("continual-backprop:replacement_rate=0.5",)},
        {"stream": "everlearn/SlipperyAnt-v0:change_every=101"},
        {"device": "cuda"},
    ]
    for changed in others:
        assert plan_run(replace(SMALL, **changed)).hash != base


def test_a_run_that_fails_says_so_and_keeps_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaks(StreamRecorder):
        def _on_rollout_end(self) -> None:
            if self.num_timesteps > 64:
                raise RuntimeError("the disk is gone")

    monkeypatch.setattr(module, "StreamRecorder", Breaks)
    settings = small(tmp_path)
    with pytest.raises(RuntimeError, match="the disk is gone"):
        train(settings)
    status = read_status(plan_run(settings).folder)
    assert status == Status("failed", 64, 1, "RuntimeError: the disk is gone")


def test_what_the_agent_cannot_use_is_known_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise SettingsError("no")

    monkeypatch.setattr(TrainPPO, "build_agent", refuse)
    with pytest.raises(SettingsError, match="no"):
        train(small(tmp_path / "runs"))
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_that_is_not_here_is_known_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    settings = small(tmp_path / "runs", device="cuda:1")
    with pytest.raises(SettingsError, match=r"--device cuda:1 is not here: torch .* finds 1 GPUs"):
        train(settings)
    assert list(tmp_path.iterdir()) == []
    # The machine that plans need not be the one that trains.
    rehearse(settings)


def test_the_status_is_plain_json(finished: Path) -> None:
    status = json.loads((finished / "status.json").read_text())
    status.pop("checkpoints")
    assert status == {"state": "finished", "steps": 128, "iteration": 2}


def test_a_run_may_normalize(tmp_path: Path) -> None:
    settings = small(tmp_path, normalize_observations=True, normalization_at_change="per-task")
    assert plan_run(settings).hash != plan_run(small(tmp_path)).hash
    folder = train(settings).folder
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["normalization"] == {
        "observations": True,
        "rewards": False,
        "at_change": "per-task",
        "gamma": 0.99,
    }
    agent = EverlearnPPO.load(folder / "model.zip", device="cpu")
    assert agent.normalization["count"].tolist()[-1] > 0
    # A change lands at 100, and each friction has statistics of its own.
    assert len([task for task in agent.normalization["tasks"] if task]) == 2
    # What is told of returns is not scaled.
    raw, _ = tables(train(small(tmp_path)).folder)
    assert set(raw.columns) <= set(tables(folder)[0].columns)


def test_a_rule_at_changes_needs_something_to_rule(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--normalization-at-change must be carry where"):
        train(small(tmp_path, normalization_at_change="reset"))
    assert not list(tmp_path.iterdir())


def test_a_stream_can_come_from_a_file(tmp_path: Path) -> None:
    stream = make_stream("everlearn/LifelongCartPole-v0")
    file = tmp_path / "stream.json"
    file.write_text(stream.to_json())
    plan = plan_run(TrainPPO(stream=str(file), runs_folder=str(tmp_path)))
    assert plan.folder == plan_run(TrainPPO(stream=stream.name, runs_folder=str(tmp_path))).folder
    file.write_text(json.dumps({**stream.to_dict(), "name": "everlearn/../../elsewhere"}))
    with pytest.raises(SettingsError, match=r"'everlearn/../../elsewhere' can have no folder"):
        plan_run(TrainPPO(stream=str(file), runs_folder=str(tmp_path))).folder  # noqa: B018
