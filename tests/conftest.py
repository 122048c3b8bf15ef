from __future__ import annotations

import json
import os
from pathlib import Path

# Before numpy and torch are imported, and for the processes that tests start: with more threads
# than one, small networks stand still wherever another process is busy.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
import pytest
import yaml

from everlearn.evaluation.records import Record, read_run


class MakeRun:
    """Writes run folders of a stream whose tasks follow one another, and reads them."""

    length = 1000
    iteration = 100

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self,
        contexts: list[float],
        every: int = 1,
        seed: int = 0,
        scores: tuple[str, ...] = ("return",),
    ) -> Record:
        """A run with a segment for each context, evaluated every few iterations on all of them."""
        rng = np.random.default_rng(seed)
        folder = self.folder / f"seed_{seed}"
        folder.mkdir()
        end = self.length * len(contexts)
        steps = np.arange(self.iteration, end + 1, self.iteration)
        iterations = pd.DataFrame({"iteration": np.arange(len(steps)) + 1, "step": steps})
        iterations["time/time_elapsed"] = steps / 50
        changes = pd.DataFrame(
            {
                "step": self.length * np.arange(len(contexts)),
                "segment": np.arange(len(contexts)),
                "left_out": 0,
                "context/wind": contexts,
            }
        )
        # Episodes of 30 steps span the changes of 1000.
        ends = np.arange(60, end + 1, 60)
        episodes = pd.DataFrame(
            {
                "step": np.repeat(ends, 2),
                "env": np.tile([0, 1], len(ends)),
                "return": rng.normal(20, 5, 2 * len(ends)),
                "length": 30,
                "truncated": 0,
                "segment": np.repeat((ends - 1) // self.length, 2),
            }
        )
        rows = [
            (number, number * self.iteration, f"wind={wind:g}", episode, wind)
            for number in range(0, len(steps) + 1, every)
            for wind in dict.fromkeys(contexts)
            for episode in (0, 1)
        ]
        evaluations = pd.DataFrame(
            rows, columns=["iteration", "step", "task", "episode", "context/wind"]
        )
        evaluations["segment"] = np.minimum(evaluations["step"] // self.length, len(contexts) - 1)
        evaluations["length"] = 30
        for score in scores:
            evaluations[score] = rng.uniform(0.1, 0.9, len(evaluations))
        stream = {"name": "everlearn/Windy-v0", "worlds": ["Ant-v5"]}
        config = {"stream": stream, "agent": "ppo", "methods": [], "seed": seed, "n_envs": 2}
        (folder / "config.yaml").write_text(yaml.safe_dump({**config, "hash": "0123456789"}))
        (folder / "status.json").write_text(json.dumps({"state": "finished", "steps": end}))
        (folder / "stamp.json").write_text(json.dumps({"date": "2026-11-21T13:00:00+00:00"}))
        tables = {"iterations": iterations, "episodes": episodes, "changes": changes}
        for name, table in {**tables, "evaluations": evaluations}.items():
            table.to_csv(folder / f"{name}.csv", index=False)
        return read_run(folder)


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    return MakeRun(tmp_path)
