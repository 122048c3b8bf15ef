"""A run whose agent finds out by itself that the world has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing import event_accumulator  # type: ignore[import-untyped]

from everlearn.evaluation.records import read_run
from everlearn.training.ppo import TrainPPO
from everlearn.training.train import train

# Left and right swap at step 4,000, and nobody tells.
STREAM = "everlearn/ReactiveCartPole-v0:change_every=4000"
METHODS = (
    "change-detection:every_steps=32,window=25",
    "resets:every_steps=none,at_change=true",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = TrainPPO(
        stream=STREAM,
        methods=METHODS,
        total_steps=6144,
        n_envs=8,
        n_steps=64,
        hidden_sizes=(16, 16),
        n_epochs=2,
        evaluate_every=0,
        runs_folder=str(tmp_path_factory.mktemp("runs")),
    )
    return train(settings).folder


def test_resets_follow_detections_without_labels(folder: Path) -> None:
    record = read_run(folder)
    (alarm,) = record.detections.to_dict("records")
    (_, change) = record.changes.to_dict("records")
    assert change["step"] <= alarm["step"] < change["step"] + 10 * 32
    assert alarm["segment"] == 1
    assert alarm["steps_since_change"] == alarm["step"] - change["step"]
    resets = record.iterations.set_index("step")["plasticity/resets"]
    assert resets[resets.index < alarm["step"]].eq(0).all()
    assert resets.iloc[-1] == 1


def test_tensorboard_shows_detections_beside_true_changes(folder: Path) -> None:
    read: Any = event_accumulator.EventAccumulator(str(folder)).Reload()
    changes, noticed = (
        [scalar.value for scalar in read.Scalars(tag)]
        for tag in ("stream/segment", "detection/changes")
    )
    assert changes[0] == noticed[0] == 0
    assert changes[-1] == noticed[-1] == 1
    errors = {event.step: event.value for event in read.Scalars("detection/dynamics_error")}
    assert errors[4096 + 512] > errors[4096 - 512]


def test_the_summary_tells_them(folder: Path) -> None:
    from everlearn.training.summary import summary_rows

    rows = dict(summary_rows(read_run(folder), {"detection/changes": 1.0}, 1.0))
    assert rows["changes noticed"].startswith("1 of 1, after ")
    assert rows["changes noticed"].endswith("; 0 false alarms")
