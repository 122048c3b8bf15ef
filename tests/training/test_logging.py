from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv
from tensorboard.backend.event_processing import event_accumulator  # type: ignore[import-untyped]

from everlearn.agents import SAC
from everlearn.envs import make_vec_env
from everlearn.evaluation.records import read_table
from everlearn.training import logging as module
from everlearn.training.logging import ChangeWriter, StreamRecorder, make_logger, stream_scalars
from everlearn.training.run import Status, read_status

MakeEnv = Callable[..., VecEnv]


class Watch(BaseCallback):
    """Keeps what the tables should say, by a way of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.episodes: list[tuple[int, int, float]] = []

    def _on_step(self) -> bool:
        for env, info in enumerate(self.locals["infos"]):
            if "episode" in info:
                self.episodes.append((self.num_timesteps, env, info["episode"]["r"]))
        return True


def learn(env: VecEnv, folder: Path | None, total_steps: int = 200) -> tuple[PPO, Watch]:
    model = PPO("MlpPolicy", env, n_steps=25, batch_size=25, n_epochs=2, seed=0, device="cpu")
    watch = Watch()
    if folder is None:
        return model.learn(total_steps, watch), watch
    logger, _, _ = make_logger(folder)
    model.set_logger(logger)
    recorder = StreamRecorder(folder)
    model.learn(total_steps, callback=[recorder, watch])
    recorder.close()
    logger.close()
    return model, watch


def test_iterations_are_what_tensorboard_holds(tmp_path: Path, make_changing_env: MakeEnv) -> None:
    learn(make_changing_env(), tmp_path)
    table = read_table(tmp_path / "iterations.csv")
    assert table["iteration"].tolist() == [1, 2, 3, 4]
    assert table["step"].tolist() == [50, 100, 150, 200]
    events = event_accumulator.EventAccumulator(str(tmp_path), {"scalars": 0}).Reload()
    tags = events.Tags()["scalars"]
    assert {"rollout/ep_rew_mean", "train/loss", "time/fps", "stream/gravity"} <= set(tags)
    # The lowest values of blocks are for the eye alone.
    assert set(tags) - set(table) == {"continual/return_min"}
    for tag in set(tags) & set(table):
        scalars = events.Scalars(tag)
        rows = table[["step", tag]].dropna()
        assert [scalar.step for scalar in scalars] == rows["step"].tolist()
        values = np.array([scalar.value for scalar in scalars], np.float32)
        np.testing.assert_array_equal(values, rows[tag].to_numpy(np.float32))


def test_the_stream_is_told_once_an_iteration(tmp_path: Path, make_changing_env: MakeEnv) -> None:
    learn(make_changing_env(change_every=64), tmp_path)
    table = read_table(tmp_path / "iterations.csv")
    assert table["stream/segment"].tolist() == [0, 1, 2, 3]
    assert table["stream/steps_since_change"].tolist() == [50, 36, 22, 8]
    assert table["stream/wind"].tolist() == [0, 0.25, 0.5, 0.75]
    assert table["stream/gravity"].tolist() == [10 / 1, 10 / 2, 10 / 3, 10 / 4]


def test_every_episode_has_a_row(tmp_path: Path, make_changing_env: MakeEnv) -> None:
    _, watch = learn(make_changing_env(), tmp_path)
    table = read_table(tmp_path / "episodes.csv")
    assert list(zip(table["step"], table["env"], table["return"], strict=True)) == watch.episodes
    assert len(table) == 20
    assert set(table["length"]) == {10}
    assert set(table["truncated"]) == {1}


def test_an_episode_belongs_to_the_segment_of_its_last_step(
    tmp_path: Path, make_changing_env: MakeEnv
) -> None:
    # Two copies with episodes of ten steps: episodes end at 20, 40, ... and so do segments.
    learn(make_changing_env(change_every=40), tmp_path)
    table = read_table(tmp_path / "episodes.csv").drop_duplicates("step")
    assert table["step"].tolist()[:5] == [20, 40, 60, 80, 100]
    assert table["segment"].tolist()[:5] == [0, 0, 1, 1, 2]
    assert table["context/wind"].tolist()[:5] == [0, 0, 0.25, 0.25, 0.5]


def test_every_change_has_a_row_however_long_iterations_are(
    tmp_path: Path, make_changing_env: MakeEnv
) -> None:
    learn(make_changing_env(change_every=16), tmp_path)
    table = read_table(tmp_path / "changes.csv")
    assert list(table) == ["step", "segment", "left_out", "context/gravity", "context/wind"]
    assert table["step"].tolist() == [16 * i for i in range(13)]
    assert table["segment"].tolist() == list(range(13))
    assert table["context/wind"].tolist() == [0.25 * i for i in range(13)]
    assert table["left_out"].eq(0).all()


def test_a_drift_at_every_step_has_one_row_an_iteration(
    tmp_path: Path, make_changing_env: MakeEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_CHANGES", 24)
    learn(make_changing_env(change_every=2), tmp_path)
    table = read_table(tmp_path / "changes.csv")
    assert table["step"].tolist() == [0, 50, 100, 150, 200]
    assert table["segment"].tolist() == [0, 25, 50, 75, 100]
    assert table["left_out"].tolist() == [0, 24, 24, 24, 24]


def test_iterations_of_many_rollouts_are_one(
    tmp_path: Path, make_changing_env: MakeEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_CHANGES", 24)
    agent = SAC(
        "MlpPolicy", make_changing_env(change_every=2), iteration_steps=100,
        policy_kwargs={"net_arch": [8]}, learning_starts=1000, diagnostics=False, device="cpu",
    )  # fmt: skip
    logger, _, _ = make_logger(tmp_path)
    agent.set_logger(logger)
    recorder = StreamRecorder(tmp_path)
    agent.learn(200, recorder)
    recorder.close()
    logger.close()
    table = read_table(tmp_path / "changes.csv")
    assert table["step"].tolist() == [0, 100, 200]
    assert table["left_out"].tolist() == [0, 49, 49]


def world(segment: int, since: int, **context: float) -> dict[str, Any]:
    truth = {"segment": segment, "steps_since_change": since, "changed": since == 0}
    return {**truth, "context": context}


def test_copies_that_differ_have_no_rows(tmp_path: Path) -> None:
    changes = ChangeWriter(tmp_path)
    alike, ahead = world(0, 0, wind=1.0), world(1, 0, wind=2.0)
    changes.look(0, [alike, alike])
    changes.look(10, [ahead, alike])
    assert changes.copies_differ
    changes.end_iteration()
    assert not changes.copies_differ
    changes.look(20, [world(2, 0, wind=1.0)] * 2)
    changes.close()
    table = read_table(tmp_path / "changes.csv")
    assert table["step"].tolist() == [0, 20]


@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5])
def test_rows_of_changes_go_on_where_they_were(
    stop: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_CHANGES", 2)
    texts = []
    for folder in (tmp_path / "whole", tmp_path / "parts"):
        folder.mkdir()
        changes = ChangeWriter(folder)
        for step in range(7):
            changes.look(step, [world(step, 0, wind=0.5 * step)])
            if step in (2, 5):
                changes.end_iteration()
            if step == stop and folder.name == "parts":
                state = changes.get_state()
                changes.look(99, [world(99, 0, wind=0.0)])
                changes.close()
                changes = ChangeWriter(folder, state)
        changes.close()
        texts.append((folder / "changes.csv").read_text())
    assert texts[0] == texts[1]
    assert texts[0].splitlines()[1:] == ["0,0,0,0.0", "1,1,0,0.5", "2,2,0,1.0", "5,5,2,2.5",
                                         "6,6,0,3.0"]  # fmt: skip


def test_copies_of_a_stream_that_change_each_for_themselves_are_found_out(tmp_path: Path) -> None:
    env = make_vec_env("everlearn/CartPoleForceSign-v0", 2, seed=0)
    learn(env, tmp_path)
    table = read_table(tmp_path / "iterations.csv")
    assert set(table["stream/cartpole-force"]) <= {-10.0, 10.0}
    assert table["stream/copies_differ"].max() == 1
    assert (table["stream/segment"] % 1 == 0).all()


def test_logging_does_not_change_training(tmp_path: Path, make_changing_env: MakeEnv) -> None:
    with_logs, _ = learn(make_changing_env(), tmp_path)
    without, _ = learn(make_changing_env(), None)
    for a, b in zip(with_logs.policy.parameters(), without.policy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_status_goes_with_the_rows(tmp_path: Path) -> None:
    logger, rows, _ = make_logger(tmp_path)
    logger.record("time/iterations", 7, exclude="tensorboard")
    logger.record("train/loss", 0.5)
    logger.record("note", "no number")
    logger.dump(1400)
    assert read_status(tmp_path) == Status("running", 1400, 7)
    assert (tmp_path / "iterations.csv").read_text() == "iteration,step,train/loss\n7,1400,0.5\n"
    assert rows.last == {"time/iterations": 7, "train/loss": 0.5}
    logger.close()


def test_a_world_without_a_stream_is_logged_too(tmp_path: Path) -> None:
    from stable_baselines3.common.env_util import make_vec_env as make_sb3_env

    learn(make_sb3_env("CartPole-v1", n_envs=2), tmp_path, total_steps=100)
    table = read_table(tmp_path / "episodes.csv")
    assert len(table) > 0
    assert table["segment"].isna().all()
    assert read_table(tmp_path / "changes.csv").empty
    assert not any(name.startswith("stream/") for name in read_table(tmp_path / "iterations.csv"))


@pytest.mark.parametrize(
    ("infos", "expected"),
    [
        ([], {}),
        ([{}], {}),
        ([{"segment": 1}, {"segment": 2}], {"segment": 1.0}),
        ([{"context": {"task": "push", "wind": np.float32(2)}}], {"wind": 2.0}),
    ],
)
def test_stream_scalars(infos: list[dict[str, Any]], expected: dict[str, float]) -> None:
    assert stream_scalars(infos) == expected
