from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from everlearn.evaluation.metrics.average_performance import (
    continual_world_performance,
    coom_performance,
)


def test_as_continual_world_computes_it(vectors: dict[str, Any], continual_world: Any) -> None:
    expected = vectors["continual_world"]["expected"]
    tail = vectors["continual_world"]["input"]["cw_tail_evals"]
    runs = [continual_world_performance(curves, tail) for curves in continual_world.curves]
    per_seed = np.mean(expected["end_success_per_seed"], axis=1)
    np.testing.assert_allclose([run.value for run in runs], per_seed, rtol=1e-12)
    average = np.mean([run.value for run in runs])
    assert average == pytest.approx(expected["average_performance"], rel=1e-12)


def test_as_coom_computes_it(vectors: dict[str, Any], coom: Any) -> None:
    measured = coom_performance(coom.curves[0], coom.segments)
    assert measured.value == pytest.approx(vectors["coom"]["expected"]["performance"], rel=1e-12)
    assert (measured.n, measured.of) == (6, 6)


def test_cells_that_are_zero_count_unless_asked_as_in_the_published_code(
    vectors: dict[str, Any], coom_zero_cell: Any
) -> None:
    case = vectors["coom"]["zero_cell_case"]
    curves, segments = coom_zero_cell.curves[0], coom_zero_cell.segments
    right = case["mathematically_correct_mean_over_s>=j"]
    assert coom_performance(curves, segments).value == pytest.approx(right, rel=1e-12)
    theirs = case["coom_performance(exact zeros become NaN)"]
    found = coom_performance(curves, segments, drop_zeros=True).value
    assert found == pytest.approx(theirs, rel=1e-12)


def test_a_task_that_was_never_evaluated_is_counted() -> None:
    curves = pd.DataFrame({"a": [0.5, 0.5], "b": [np.nan, np.nan]})
    assert continual_world_performance(curves) == (0.5, 1, 2)
