from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from everlearn.evaluation.metrics.accuracy_matrix import (
    average_accuracy,
    backward_transfer,
    coverage,
    gem_forward_transfer,
    maximum_forgetting,
)
from everlearn.evaluation.metrics.curves import initial_scores, segment_ends
from everlearn.evaluation.metrics.forgetting import continual_world_forgetting, coom_forgetting


def test_as_the_formulas_have_it(vectors: dict[str, Any], matrix: Any) -> None:
    expected = vectors["accuracy_matrix"]["expected"]
    curves, segments = matrix.curves[0], matrix.segments
    ends = segment_ends(curves, segments)
    initial = initial_scores(curves, segments)
    found = {
        "average_performance": average_accuracy(ends).value,
        "bwt": backward_transfer(ends, segments).value,
        "forgetting_max(chaudhry)": maximum_forgetting(ends, segments).value,
        "forgetting_own(CW, over all T tasks)": continual_world_forgetting(ends, segments).mean(),
        "forgetting_own(over T-1 tasks, COOM)": coom_forgetting(ends, segments).mean(),
        "fwt_gem": gem_forward_transfer(ends, segments, initial).value,
    }
    assert found == pytest.approx(expected, rel=1e-12)


def test_missing_cells_are_nan_and_counted(matrix: Any) -> None:
    curves, segments = matrix.curves[0], matrix.segments
    ends = segment_ends(curves.drop(index=200), segments)
    assert coverage(ends) == (pytest.approx(2 / 3), 6, 9)
    measured = backward_transfer(ends, segments)
    assert (measured.n, measured.of) == (1, 2)
    assert measured.value == pytest.approx(0.5 - 0.9)
    nobody_looked = pd.Series(np.nan, ends.columns)
    assert gem_forward_transfer(ends, segments, nobody_looked)[1:] == (0, 2)


def test_tasks_that_come_again_count_once() -> None:
    segments = pd.DataFrame({"segment": range(4), "task": list("abab")})
    ends = pd.DataFrame({"a": [0.9, 0.1, 0.8, 0.5], "b": [0.0, 0.7, 0.2, 0.6]})
    assert backward_transfer(ends, segments) == (pytest.approx(-0.3), 1, 1)
    assert maximum_forgetting(ends, segments) == (pytest.approx(0.4), 1, 1)
    initial = pd.Series({"a": 0.0, "b": 0.1})
    assert gem_forward_transfer(ends, segments, initial) == (pytest.approx(-0.1), 1, 1)


def test_a_task_that_was_never_trained_is_no_part_of_transfer() -> None:
    segments = pd.DataFrame({"segment": [0, 1], "task": ["a", "b"]})
    ends = pd.DataFrame({"a": [0.9, 0.6], "b": [0.1, 0.8], "c": [0.3, 0.4]})
    initial = pd.Series({"a": 0.0, "b": 0.0, "c": 0.0})
    assert gem_forward_transfer(ends, segments, initial).of == 1
    assert average_accuracy(ends).of == 3
