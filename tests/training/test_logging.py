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

from everlearn.evaluation.records import read_table
from everlearn.training.logging import StreamRecorder, make_logger, stream_scalars
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
    logger, _ = make_logger(folder)
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
    assert set(tags) <= set(table)
    for tag in tags:
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


def test_logging_does_not_change_training(tmp_path: Path, make_changing_env: MakeEnv) -> None:
    with_logs, _ = learn(make_changing_env(), tmp_path)
    without, _ = learn(make_changing_env(), None)
    for a, b in zip(with_logs.policy.parameters(), without.policy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_status_goes_with_the_rows(tmp_path: Path) -> None:
    logger, rows = make_logger(tmp_path)
    logger.record("time/iterations", 7, exclude="tensorboard")
    logger.record("train/loss", 0.5)
    logger.record("note", "no number")
    logger.dump(1400)
    assert read_status(tmp_path) == Status("running", 1400, 7)
    assert (tmp_path / "iterations.csv").read_text() == "iteration,step,train/loss\n7,1400,0.5\n"
    assert rows.last == {"time/iterations": 7, "train/loss": 0.5}
    logger.close()


def test_a_world_without_a_stream_is_logged_too(tmp_path: Path) -> None:
    from stable_baselines3.common.env_util import make_vec_env

    learn(make_vec_env("CartPole-v1", n_envs=2), tmp_path, total_steps=100)
    table = read_table(tmp_path / "episodes.csv")
    assert len(table) > 0
    assert table["segment"].isna().all()
    assert not any(name.startswith("stream/") for name in read_table(tmp_path / "iterations.csv"))


@pytest.mark.parametrize(
    ("infos", "expected"),
    [
        ([], {}),
        ([{}], {}),
        ([{"segment": 1}, {"segment": 2}], {"segment": 1.5}),
        ([{"context": {"task": "push", "wind": np.float32(2)}}], {"wind": 2.0}),
    ],
)
def test_stream_scalars(infos: list[dict[str, Any]], expected: dict[str, float]) -> None:
    assert stream_scalars(infos) == expected
