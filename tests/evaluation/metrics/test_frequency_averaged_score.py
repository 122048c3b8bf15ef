from typing import Any

import numpy as np
import pytest

from everlearn.evaluation.metrics.frequency_averaged_score import frequency_averaged_score


def test_both_readings(vectors: dict[str, Any]) -> None:
    case = vectors["fas"]
    lengths, scores = case["action_sequence_lengths"], case["normalised_score"]
    area = frequency_averaged_score(lengths, scores)
    assert area == pytest.approx(case["expected"]["fas_trapezoid_over_lengths/(30-1)"], rel=1e-12)
    mean = frequency_averaged_score(lengths, scores, average="mean")
    assert mean == pytest.approx(case["expected"]["fas_plain_mean"], rel=1e-12)


def test_what_was_not_measured_is_left_out() -> None:
    assert frequency_averaged_score([1, 2, 3], [1.0, np.nan, 0.5]) == 0.75
    assert np.isnan(frequency_averaged_score([1], [1.0]))
    assert np.isnan(frequency_averaged_score([1], [np.nan], average="mean"))
