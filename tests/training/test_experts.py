"""A run whose agent gets its old networks back when their world returns."""

from __future__ import annotations

from pathlib import Path

from everlearn.evaluation.records import read_run
from everlearn.training.ppo import TrainPPO
from everlearn.training.train import train


def test_a_returning_world_gets_its_old_expert(tmp_path: Path) -> None:
    settings = TrainPPO(
        # Left and right swap at 4,000, and back at 8,000; nobody tells.
        stream="everlearn/ReactiveCartPole-v0:change_every=4000",
        methods=("experts:every_steps=32,window=25",),
        total_steps=11776,
        n_envs=8,
        n_steps=64,
        hidden_sizes=(16, 16),
        n_epochs=1,
        evaluate_every=0,
        runs_folder=str(tmp_path),
    )
    record = read_run(train(settings).folder)
    segments = record.iterations.groupby("stream/segment")
    assert segments["experts/active"].last().tolist() == [0, 1, 0]
    assert record.iterations["experts/number"].iloc[-1] == 2
