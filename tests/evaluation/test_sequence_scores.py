from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from everlearn.evaluation.sequence_figure import draw_sequences
from everlearn.evaluation.sequence_scores import (
    plain_curves,
    reference_areas,
    sequence_scores,
    transfers,
)


def written(record: Any, successes: dict[str, list[float]]) -> None:
    """Let a run's evaluations have succeeded as is said: at each, and in each task."""
    file = record.folder / "evaluations.csv"
    table = pd.read_csv(file)
    for task, values in successes.items():
        rows = table["task"] == task
        table.loc[rows, "success"] = np.array(values)[table.loc[rows, "iteration"]]
    table.to_csv(file, index=False)


def test_a_run_of_two_tasks_by_hand(make_run: Any) -> None:
    """Ten evaluations in each of two tasks, and one before: the last two are the last tenth."""
    record = make_run([0.0, 1.0], scores=("return", "success"))
    first = [0.0] + 5 * [0.0] + 3 * [0.5] + [0.8, 1.0] + 8 * [0.4] + [0.1, 0.3]
    second = [0.0] + 10 * [0.25] + 8 * [0.5] + [1.0, 0.6]
    written(record, {"wind=0": first, "wind=1": second})
    found = sequence_scores(record, "success")
    assert found.tasks == ("wind=0", "wind=1")
    assert found.lengths == (1000, 1000)
    assert found.learned == pytest.approx((0.9, 0.8))
    assert found.kept == pytest.approx((0.2, 0.8))
    assert found.performance == pytest.approx(0.5)
    assert found.forgetting == pytest.approx(0.35)
    assert found.areas == pytest.approx((0.33, 0.56))
    with pytest.raises(KeyError):
        sequence_scores(record, "success_final")


def test_from_scratch_is_the_first_segment_of_any_run(make_run: Any) -> None:
    both = make_run([0.0, 1.0], seed=0, scores=("return", "success"))
    alone = make_run([1.0], seed=1, scores=("return", "success"))
    written(both, {"wind=0": 21 * [0.5], "wind=1": 21 * [0.75]})
    written(alone, {"wind=1": 11 * [0.5]})
    runs = [sequence_scores(record, "success") for record in (both, alone)]
    references = reference_areas(runs, 1000)
    assert references == {"wind=0": 0.5, "wind=1": 0.5}
    assert transfers(runs[0], references) == (0.0, 0.5)
    assert reference_areas(runs, 2000) == {}
    assert np.isnan(transfers(runs[0], {})).all()


def test_a_picture_of_two_methods(make_run: Any, tmp_path: Any) -> None:
    rows = []
    for seed in (0, 1):
        found = sequence_scores(
            make_run([0.0, 1.0], seed=seed, scores=("return", "success")), "success"
        )
        common = {"tasks": found.tasks, "lengths": found.lengths}
        curves = {"curves": plain_curves(found.curves)}
        rows += [{"methods": name, **common, "success": curves} for name in ("a", "b")]
    picture = tmp_path / "picture.png"
    draw_sequences(rows, picture)
    assert picture.stat().st_size > 10_000
