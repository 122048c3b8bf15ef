from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from everlearn.evaluation.metrics.transfer import forward_transfer
from everlearn.evaluation.statistics.aggregates import (
    interquartile_mean,
    mean_of_tasks,
    median_of_tasks,
    optimality_gap,
    probability_of_improvement,
)
from everlearn.evaluation.statistics.bootstrap import bootstrap, profile_with_band

STATISTICS = [interquartile_mean, mean_of_tasks, median_of_tasks, optimality_gap]


def test_intervals_of_runs_by_task_are_rliables(vectors: dict[str, Any]) -> None:
    case = next(case for case in vectors["rliable"]["intervals(for X above unless scores given)"]
                if "ci95_reps50000" in case)  # fmt: skip
    lows, highs = case["ci95_reps50000"]
    for statistic, point, low, high in zip(STATISTICS, case["point"], lows, highs, strict=True):
        found = bootstrap(statistic, case["scores"], resample="tasks", n_resamples=10_000)
        assert found.value.item() == pytest.approx(point, rel=1e-12)
        # The stored tolerance for another generator's draws.
        assert found.low == pytest.approx(low, abs=0.01)
        assert found.high == pytest.approx(high, abs=0.01)
        assert found.n == 10


def test_intervals_of_few_runs_are_rliables(vectors: dict[str, Any]) -> None:
    scores = vectors["rliable"]["aggregates"][0]["scores[run][task]"]
    cases = vectors["rliable"]["intervals(for X above unless scores given)"][:2]
    for i, statistic in enumerate(STATISTICS):
        found = bootstrap(statistic, scores, resample="tasks", n_resamples=10_000)
        # rliable's own ends move by a step of the few possible values from seed to seed.
        for end, value in enumerate([found.low, found.high]):
            stored = [case["ci95_percentile"][end][i] for case in cases]
            assert min(stored) - 0.026 <= value <= max(stored) + 0.026


def test_the_interval_of_improvement_is_rliables(vectors: dict[str, Any]) -> None:
    x, y = (case["scores[run][task]"] for case in vectors["rliable"]["aggregates"][:2])
    case = vectors["rliable"]["intervals(for X above unless scores given)"][-1]
    found = bootstrap(probability_of_improvement, x, y, resample="tasks")
    assert found.value.item() == case["probability_of_improvement(X,Y)"]
    np.testing.assert_allclose([found.low, found.high], case["ci95"], atol=0.035)


def test_the_intervals_of_continual_world(
    vectors: dict[str, Any],
) -> None:
    data, expected = vectors["continual_world"]["input"], vectors["continual_world"]["expected"]
    ends = np.array(expected["end_success_per_seed"])
    runs = data["success[seed][task][eval]"].values()
    own = [[np.mean(scores[10 * i : 10 * i + 10]) for i, scores in enumerate(run)] for run in runs]
    alone = data["baseline[task/seed][eval]"]
    reference = [[np.mean(alone[f"{task}/{seed}"]) for task in "abc"] for seed in (0, 1)]

    def transfer(areas: np.ndarray, references: np.ndarray) -> np.ndarray:
        return forward_transfer(areas.mean(axis=-2), references.mean(axis=-2)).mean(axis=-1)

    # Theirs are of 2 seeds; each run twice draws from the same runs, with less spread.
    few = bootstrap(mean_of_tasks, ends, confidence=0.9)
    assert np.isnan(few.low)
    twice = bootstrap(mean_of_tasks, np.repeat(ends, 2, axis=0), confidence=0.9)
    low, high = expected["average_performance_ci90"]
    assert low - 1e-12 <= twice.low < twice.value < twice.high <= high + 1e-12
    areas, references = np.repeat(own, 2, axis=0), np.repeat(reference, 2, axis=0)
    found = bootstrap(transfer, areas, references, confidence=0.9)
    low, high = expected["total_normalized_ft_ci90"]
    assert found.value.item() == pytest.approx(expected["total_normalized_ft"], rel=1e-12)
    assert low - 1e-12 <= found.low < found.value < found.high <= high + 1e-12


def test_tasks_that_go_together_need_whole_runs() -> None:
    rng = np.random.default_rng(0)
    together = np.repeat(rng.normal(size=(20, 1)), 5, axis=1)
    rows = bootstrap(mean_of_tasks, together)
    tasks = bootstrap(mean_of_tasks, together, resample="tasks")
    # Five copies of one task tell as much as one; resampled apart they look like five.
    ratio = (rows.high - rows.low) / (tasks.high - tasks.low)
    assert ratio == pytest.approx(np.sqrt(5), rel=0.1)


def test_the_same_seed_gives_the_same_interval() -> None:
    scores = np.random.default_rng(0).normal(size=(5, 2))
    assert bootstrap(mean_of_tasks, scores) == bootstrap(mean_of_tasks, scores)
    assert bootstrap(mean_of_tasks, scores).low != bootstrap(mean_of_tasks, scores, seed=1).low


@pytest.mark.parametrize("scores", [[[1.0], [2.0]], [[1.0], [2.0], [np.nan], [3.0]]])
def test_too_few_runs_and_missing_scores_have_no_interval(scores: list[list[float]]) -> None:
    found = bootstrap(mean_of_tasks, scores)
    assert np.isnan(found.low)
    assert np.isnan(found.high)
    assert found.method == "no interval"


def test_a_band_holds_its_profile() -> None:
    scores = np.random.default_rng(0).uniform(size=(10, 4))
    table = profile_with_band(scores, np.linspace(0, 1, 11))
    assert (table["low"] <= table["share"]).all()
    assert (table["share"] <= table["high"]).all()
    assert (table["high"] - table["low"]).max() > 0.1
    few = profile_with_band(scores[:2], [0.5])
    assert few["low"].isna().all()
    assert isinstance(few, pd.DataFrame)
