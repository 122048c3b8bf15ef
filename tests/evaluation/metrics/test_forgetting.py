from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from everlearn.evaluation.metrics.curves import segment_ends
from everlearn.evaluation.metrics.forgetting import (
    continual_world_forgetting,
    coom_forgetting,
    cora_isolated_forgetting,
    cora_scale,
    last_of_each_task,
)

ABA = pd.DataFrame({"segment": [0, 1, 2], "task": ["a", "b", "a"]})


def test_as_continual_world_computes_it(vectors: dict[str, Any], continual_world: Any) -> None:
    expected = vectors["continual_world"]["expected"]
    tables = [
        segment_ends(curves, continual_world.segments, last=5, closing=1)
        for curves in continual_world.curves
    ]
    own = [np.diag(table) for table in tables]
    np.testing.assert_allclose(own, expected["after_own_training_per_seed"], rtol=1e-12)
    found = [continual_world_forgetting(table, continual_world.segments) for table in tables]
    np.testing.assert_allclose(found, expected["forgetting_per_seed"], atol=1e-12)
    assert np.mean(found) == pytest.approx(expected["average_forgetting"], rel=1e-12)


def test_as_coom_computes_it(vectors: dict[str, Any], coom: Any) -> None:
    expected = vectors["coom"]["expected"]
    last = vectors["coom"]["input"]["NUM_FINAL_VALS"]
    ends = segment_ends(coom.curves[0], coom.segments, last=last, closing=1)
    everyone = continual_world_forgetting(ends, coom.segments)
    np.testing.assert_allclose(everyone, expected["forgetting_individual"], atol=1e-12)
    without_the_last = coom_forgetting(ends, coom.segments)
    assert len(without_the_last) == 2
    assert without_the_last.mean() == pytest.approx(expected["forgetting"], rel=1e-12)


def test_cooms_case_of_a_cell_that_is_zero(vectors: dict[str, Any], coom_zero_cell: Any) -> None:
    ends = segment_ends(coom_zero_cell.curves[0], coom_zero_cell.segments, last=10, closing=1)
    found = coom_forgetting(ends, coom_zero_cell.segments).mean()
    assert found == pytest.approx(vectors["coom"]["zero_cell_case"]["forgetting"], rel=1e-12)


def test_as_cora_computes_it(vectors: dict[str, Any], cora: Any) -> None:
    tasks = vectors["cora"]["expected"]["per_task"]
    scale = cora_scale(cora.curves)
    found = [
        cora_isolated_forgetting(
            segment_ends(curves / scale, cora.segments, closing=1, strict=True), cora.segments
        )
        for curves in cora.curves
    ]
    checked = 0
    for task, expected in tasks.items():
        cells = expected["forgetting[impactor][cycle] = list over runs"]
        for impactor, cycles in cells.items():
            for cycle, runs in cycles.items():
                segment = 2 * int(cycle) + int(impactor)
                values = [table.loc[segment, task] for table in found]
                np.testing.assert_allclose(values, runs, rtol=1e-9)
                checked += 1
    assert checked == int(found[0].notna().sum().sum()) == 5


def test_a_task_that_comes_again_is_measured_from_each_time() -> None:
    ends = pd.DataFrame({"a": [0.9, 0.4, 0.7], "b": [0.0, 0.8, 0.3]})
    values = continual_world_forgetting(ends, ABA)
    assert values.round(12).to_dict() == {(0, "a"): 0.2, (1, "b"): 0.5, (2, "a"): 0.0}
    assert last_of_each_task(values).round(12).to_dict() == {(1, "b"): 0.5, (2, "a"): 0.0}
    # The task that was trained last has no time to be forgotten, whenever it was first met.
    assert list(coom_forgetting(ends, ABA).index) == [(1, "b")]


def test_what_was_not_evaluated_is_nan() -> None:
    ends = pd.DataFrame({"a": [np.nan, 0.4, 0.7]})
    values = continual_world_forgetting(ends, ABA)
    assert values.isna().tolist() == [True, True, False]


def test_a_task_whose_scores_are_all_zero_has_no_scale() -> None:
    assert np.isnan(cora_scale([pd.DataFrame({"a": [0.0, 0.0]})])["a"])
