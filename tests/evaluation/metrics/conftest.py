from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest


def in_a_row(tasks: list[str], length: int) -> pd.DataFrame:
    """Segments of one length, one after the other."""
    starts = length * np.arange(len(tasks))
    return pd.DataFrame(
        {"segment": range(len(tasks)), "start": starts, "end": starts + length, "task": tasks}
    )


class Sequence:
    """Runs of one benchmark: curves by run, and the segments of them all."""

    def __init__(self, curves: list[pd.DataFrame], segments: pd.DataFrame) -> None:
        self.curves = curves
        self.segments = segments


@pytest.fixture
def continual_world(vectors: dict[str, Any]) -> Sequence:
    data = vectors["continual_world"]["input"]
    steps = 100 * (np.arange(30) + 1)
    runs = data["success[seed][task][eval]"].values()
    curves = [pd.DataFrame(dict(zip("abc", run, strict=True)), index=steps) for run in runs]
    return Sequence(curves, in_a_row(data["tasks"], data["steps_per_task"]))


@pytest.fixture
def coom(vectors: dict[str, Any]) -> Sequence:
    (data,) = [v for k, v in vectors["coom"]["input"].items() if k.startswith("data")]
    return coom_sequence(data)


@pytest.fixture
def coom_zero_cell(vectors: dict[str, Any]) -> Sequence:
    return coom_sequence(vectors["coom"]["zero_cell_case"]["data[0][task][segment][iter]"])


def coom_sequence(data: list[list[list[float]]]) -> Sequence:
    """Evaluations after each of a segment's iterations."""
    tasks = [str(task) for task in range(len(data))]
    length = len(data[0][0])
    curves = {task: np.ravel(scores) for task, scores in zip(tasks, data, strict=True)}
    steps = np.arange(length * len(tasks)) + 1
    return Sequence([pd.DataFrame(curves, index=steps)], in_a_row(tasks, length))


@pytest.fixture
def cora(vectors: dict[str, Any]) -> Sequence:
    data = vectors["cora"]["input"]
    curves = []
    for run in data["curves[run][tag]"].values():
        points = {tag: dict(curve) for tag, curve in run.items()}
        curves.append(pd.DataFrame(points))
    tasks = [f"eval_reward/{'AB'.index(task)}" for task in data["sequence"]]
    return Sequence(curves, in_a_row(tasks, data["num_task_steps"]))


@pytest.fixture
def matrix(vectors: dict[str, Any]) -> Sequence:
    """Curves with one evaluation at the end of each segment and one before the first."""
    data = vectors["accuracy_matrix"]
    rows = [data["random_init_b"]]
    rows += next(value for key, value in data.items() if key.startswith("R["))
    curves = pd.DataFrame(rows, index=[0, 100, 200, 300], columns=list("abc"))
    return Sequence([curves], in_a_row(list("abc"), 100))
