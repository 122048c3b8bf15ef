from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from everlearn.evaluation.metrics.stability_gap import (
    evaluation_noise,
    minimum_since_training,
    noise_floor,
    windowed_forgetting,
    windowed_plasticity,
    worst_case,
)

ABA = pd.DataFrame({"start": [0, 10, 20], "end": [10, 20, 30], "task": ["a", "b", "a"]})


def tables(vectors: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Curves and segments; what was measured after update n has the step n + 1."""
    data = vectors["stability_gap"]["input"]
    accuracies = np.array(data["acc[task][iter]"])
    curves = pd.DataFrame(accuracies.T, index=np.arange(12) + 1)
    bounds = data["task_bounds[start,end)"]
    rows = [(start, end, task) for task, (start, end) in enumerate(bounds)]
    return curves, pd.DataFrame(rows, columns=["start", "end", "task"])


def test_worst_cases_are_the_papers(vectors: dict[str, Any]) -> None:
    curves, segments = tables(vectors)
    found = worst_case(curves, segments)
    lowest = minimum_since_training(curves, segments)
    for expected in vectors["stability_gap"]["expected_min_wc"]:
        row = found.loc[expected["t"] + 1]
        assert row["task"] == expected["current_task"]
        nothing = np.nan if expected["min_acc"] is None else expected["min_acc"]
        np.testing.assert_allclose(row["min_acc"], nothing, rtol=1e-12)
        assert row["wc_acc"] == pytest.approx(expected["wc_acc"], rel=1e-12)
        previous = lowest.loc[expected["t"] + 1].iloc[: int(row["n_previous"])]
        np.testing.assert_allclose(previous, expected["min_per_previous_task"], rtol=1e-12)


def test_windowed_metrics_are_the_papers(vectors: dict[str, Any]) -> None:
    curves, _ = tables(vectors)
    for expected in vectors["stability_gap"]["expected_windowed"]:
        seen, w = curves.iloc[: expected["upto_iter"] + 1], expected["w"]
        forgetting = [windowed_forgetting(seen[task], w) for task in seen]
        plasticity = [windowed_plasticity(seen[task], w) for task in seen]
        np.testing.assert_allclose(forgetting, expected["WF_per_task"], rtol=1e-12)
        np.testing.assert_allclose(plasticity, expected["WP_per_task"], rtol=1e-12)
        assert np.mean(forgetting) == pytest.approx(expected["WF"], rel=1e-12)
        assert np.mean(plasticity) == pytest.approx(expected["WP"], rel=1e-12)


def test_a_score_that_only_rises_is_not_forgotten(vectors: dict[str, Any]) -> None:
    case = vectors["stability_gap"]["monotone_increasing_task"]
    assert windowed_forgetting(case["x"], 2) == case["WF"]
    assert windowed_plasticity(case["x"], 2) == pytest.approx(case["WP_w2"])
    assert windowed_plasticity(case["x"], 10) == pytest.approx(case["WP_w10"])


def test_windowed_plasticity_is_the_definition_and_not_the_published_helper(
    vectors: dict[str, Any],
) -> None:
    case = vectors["stability_gap"]["published_helper_discrepancy"]
    found = windowed_plasticity(case["window"], 3)
    assert found == pytest.approx(case["definition_WP"])
    assert abs(found - case["published_helper_WP"]) > 0.1
    assert windowed_forgetting(case["window"], 3) == pytest.approx(case["definition_WF"])


@pytest.mark.parametrize("window", [10, 100])
def test_the_noise_floor_of_a_policy_that_stands_still(
    vectors: dict[str, Any], window: int
) -> None:
    stored = vectors["stability_gap"]["noise_floor"][f"WF_w{window}"]
    # Two simulations of at least some hundred tasks, whose deviation is about 0.5 a task.
    assert noise_floor(1.0, 200, window) == pytest.approx(stored, abs=0.1)
    assert noise_floor(3.0, 200, window) == 3 * noise_floor(1.0, 200, window)


def test_a_single_evaluation_has_no_gap_and_none_is_nan() -> None:
    assert windowed_forgetting([0.5], 10) == 0.0
    assert np.isnan(windowed_forgetting([], 10))
    assert np.isnan(windowed_plasticity([np.nan, np.nan], 10))
    assert windowed_forgetting([0.9, np.nan, 0.5], 3) == pytest.approx(0.4)


def test_a_task_that_comes_again_begins_afresh() -> None:
    steps = [10, 15, 20, 25, 30, 35]
    curves = pd.DataFrame({"a": [0.9, 0.2, 0.3, 0.6, 0.9, 0.8]}, index=steps)
    afresh = minimum_since_training(curves, ABA)["a"]
    np.testing.assert_array_equal(afresh, [np.nan, 0.2, 0.2, np.nan, np.nan, 0.8])
    ever = minimum_since_training(curves, ABA, restart=False)["a"]
    np.testing.assert_array_equal(ever, [np.nan, 0.2, 0.2, 0.2, 0.2, 0.2])


def test_a_task_in_training_again_is_no_previous_one() -> None:
    curves = pd.DataFrame({"a": [0.9, 0.2, 0.6], "b": [0.0, 0.8, 0.4]}, index=[10, 20, 30])
    found = worst_case(curves, ABA)
    assert found["n_previous"].tolist() == [0, 1, 1]
    np.testing.assert_allclose(found["min_acc"], [np.nan, 0.2, 0.4])
    np.testing.assert_allclose(found["wc_acc"], [0.9, 0.5, 0.5])


def test_a_previous_task_that_was_not_evaluated_makes_it_unknown() -> None:
    curves = pd.DataFrame({"a": [0.9, np.nan], "b": [0.0, 0.8]}, index=[10, 20])
    found = worst_case(curves, ABA)
    assert np.isnan(found["min_acc"].iloc[1])
    assert np.isnan(found["wc_acc"].iloc[1])


def test_noise_is_that_of_a_mean_over_episodes() -> None:
    returns = np.random.default_rng(0).normal(scale=2.0, size=(500, 4))
    evaluations = pd.DataFrame(
        {"step": np.repeat(np.arange(500), 4), "task": "a", "return": returns.ravel()}
    )
    assert evaluation_noise(evaluations)["a"] == pytest.approx(1.0, rel=0.05)
    assert np.isnan(evaluation_noise(evaluations.drop_duplicates("step"))["a"])
