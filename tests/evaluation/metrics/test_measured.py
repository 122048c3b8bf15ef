import numpy as np

from everlearn.evaluation.metrics.measured import mean_of


def test_what_cannot_be_measured_is_counted_and_not_taken_for_zero() -> None:
    assert mean_of([0.0, np.nan, 1.0]) == (0.5, 2, 3)


def test_nothing_measured_is_nan() -> None:
    value, n, of = mean_of([np.nan, np.nan])
    assert np.isnan(value)
    assert (n, of) == (0, 2)
