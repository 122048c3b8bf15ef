from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from everlearn.evaluation.statistics.aggregates import (
    average_score_profile,
    interquartile_mean,
    mean_of_tasks,
    median_of_tasks,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)


def test_aggregates_are_rliables(vectors: dict[str, Any]) -> None:
    cases = vectors["rliable"]["aggregates"]
    assert len(cases) == 6
    for case in cases:
        scores = case["scores[run][task]"]
        found = {
            "iqm": interquartile_mean(scores),
            "mean": mean_of_tasks(scores),
            "median": median_of_tasks(scores),
            "optimality_gap_gamma1": optimality_gap(scores),
            "optimality_gap_gamma2": optimality_gap(scores, target=2.0),
        }
        for name, expected in case["expected"].items():
            assert found[name].item() == pytest.approx(expected, rel=1e-12, abs=1e-12), name


def test_probabilities_of_improvement_are_rliables(vectors: dict[str, Any]) -> None:
    cases = vectors["rliable"]["probability_of_improvement"]
    assert len(cases) == 5
    for case in cases:
        found = probability_of_improvement(case["x"], case["y"])
        assert found.item() == pytest.approx(case["expected"], rel=1e-12)


def test_profiles_are_rliables(vectors: dict[str, Any]) -> None:
    (case,) = vectors["rliable"]["performance_profile"]
    found = performance_profile(case["scores"], case["tau"])
    np.testing.assert_allclose(found, case["score_distribution"], rtol=1e-12)
    found = average_score_profile(case["scores"], case["tau"])
    np.testing.assert_allclose(found, case["average_score_distribution"], rtol=1e-12)


@pytest.mark.parametrize(
    "statistic", [interquartile_mean, mean_of_tasks, median_of_tasks, optimality_gap]
)
def test_a_batch_is_each_of_its_tables(statistic: Any) -> None:
    batch = np.random.default_rng(0).normal(size=(4, 5, 3))
    np.testing.assert_allclose(statistic(batch), [statistic(table) for table in batch])


def test_a_missing_score_is_not_left_out_silently() -> None:
    scores = [[0.1, 0.2], [0.3, np.nan], [0.5, 0.6]]
    assert np.isnan(interquartile_mean(scores))
    assert np.isnan(mean_of_tasks(scores))
    assert np.isnan(median_of_tasks(scores))
    assert np.isnan(optimality_gap(scores))
    assert np.isnan(probability_of_improvement(scores, scores))
    assert np.isnan(performance_profile(scores, [0.0])).all()
