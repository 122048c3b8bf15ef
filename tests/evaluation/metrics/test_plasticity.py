from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from everlearn.evaluation.metrics.plasticity import plasticity_slope, repeated_task_slopes


def keyed(rows: list[tuple[int, str, float]]) -> pd.Series:
    table = pd.DataFrame(rows, columns=["segment", "task", "value"])
    return table.set_index(["segment", "task"])["value"]


def test_one_bad_segment_does_not_turn_the_slope() -> None:
    falling = pd.Series(1.0 - 0.05 * np.arange(11))
    falling[5] = 9.0
    slope = plasticity_slope(falling)
    assert slope.value == pytest.approx(-0.05)
    assert slope.low <= slope.value <= slope.high < 0
    assert slope.n == 11


def test_segments_that_were_not_measured_leave_a_gap() -> None:
    slope = plasticity_slope(keyed([(0, "a", 1.0), (1, "b", np.nan), (4, "a", 0.6)]))
    assert slope.value == pytest.approx(-0.1)
    assert slope.n == 2
    assert np.isnan([slope.low, slope.high]).all()


def test_one_value_has_no_slope() -> None:
    slope = plasticity_slope(pd.Series([1.0, np.nan]))
    assert np.isnan(slope.value)
    assert slope.n == 1


def test_each_task_has_a_slope_of_its_own() -> None:
    learned = keyed([(0, "a", 0.9), (1, "b", 0.2), (2, "a", 0.8), (3, "b", 0.4), (4, "c", 0.5)])
    slopes = repeated_task_slopes(learned)
    np.testing.assert_allclose(slopes["value"], [-0.1, 0.2])
    assert slopes.index.tolist() == ["a", "b"]
    assert repeated_task_slopes(learned.iloc[:2]).empty
