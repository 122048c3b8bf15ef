from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from everlearn.evaluation.metrics.adaptation import (
    Recovery,
    area_lost,
    drop_depth,
    recovery_curve,
    recovery_level,
    restricted_mean_recovery_time,
    steady_state_gap,
    time_to_recover,
)
from everlearn.evaluation.metrics.regret import (
    dynamic_regret,
    static_regret,
    strongly_adaptive_regret,
)


def test_as_the_formulas_have_it(vectors: dict[str, Any]) -> None:
    case = vectors["adaptation"]
    expected = case["expected"]
    best, got = np.array(case["optimal_per_round"]), np.array(case["obtained_per_round"])
    parts = [slice(*bounds) for bounds in case["segments"]]
    curve = dynamic_regret(got, best)
    second, optimum = got[parts[1]], float(best[parts[1]][0])
    found = {
        "dynamic_regret": curve[-1],
        "dynamic_regret_curve": curve.tolist(),
        "regret_per_segment": [dynamic_regret(got[part], best[part])[-1] for part in parts],
        "average_regret": curve[-1] / len(curve),
        "time_to_recover_90pct_of_optimal": [
            time_to_recover(got[part], recovery_level(float(best[part][0]))).time for part in parts
        ],
        "time_to_recover_to_pre_change(=10)_in_segment_1": time_to_recover(second, 10.0).time,
        "area_lost_below_pre_change_level_10_segment_1": area_lost(second, 10.0),
        "area_lost_below_optimal_segment_1": area_lost(second, optimum),
        "normalised_area_lost(divide by optimal*len)_segment_1": area_lost(second, optimum, 0.0),
        "drop_depth_segment_1": drop_depth(10.0, second),
        "static_regret_vs_best_fixed(per-arm gains below)": static_regret(got, case["arms"]),
        "strongly_adaptive_regret(interval length 5)": strongly_adaptive_regret(
            got, case["arms"], 5
        ),
    }
    assert found.keys() == expected.keys()
    for name in expected:
        assert found[name] == pytest.approx(expected[name], rel=1e-12), name


def test_a_level_must_be_held() -> None:
    rewards = [10, 0, 10, 10, 10]
    assert time_to_recover(rewards, 9.0) == Recovery(0.0, True)
    assert time_to_recover(rewards, 9.0, hold=2) == Recovery(2.0, True)
    assert time_to_recover(rewards, 9.0, hold=4) == Recovery(5.0, False)


def test_times_may_be_steps() -> None:
    steps = [100, 250, 400]
    assert time_to_recover([1, 9, 9], 9.0, steps) == Recovery(250.0, True)
    assert time_to_recover([1, 1, 1], 9.0, steps) == Recovery(400.0, False)
    assert np.isnan(time_to_recover([], 9.0).time)


def test_a_level_below_zero_lies_between_floor_and_reference() -> None:
    assert recovery_level(-100.0, floor=-1100.0) == pytest.approx(-200.0)
    assert recovery_level(10.0) == pytest.approx(9.0)


def test_changes_that_were_not_recovered_from_are_not_dropped() -> None:
    everyone = restricted_mean_recovery_time([1.0, 3.0], [True, True], horizon=10.0)
    assert everyone == 2.0
    one_never = restricted_mean_recovery_time([1.0, 3.0, 10.0], [True, True, False], horizon=10.0)
    assert one_never == pytest.approx((1 + 3 + 10) / 3)


def test_changes_that_were_cut_off_count_while_they_were_watched() -> None:
    # Kaplan and Meier by hand: of 4 one recovers at 1, then one is cut off, of 2 one at 3.
    curve = recovery_curve([1.0, 2.0, 3.0, 4.0], [True, False, True, True])
    np.testing.assert_allclose(curve.loc[[0.0, 1.0, 3.0, 4.0]], [1.0, 0.75, 0.375, 0.0])
    mean = restricted_mean_recovery_time([1.0, 2.0, 3.0, 4.0], [True, False, True, True], 4.0)
    assert mean == pytest.approx(1.0 + 0.75 * 2 + 0.375)


def test_recovery_at_once_and_nobody_watching() -> None:
    assert restricted_mean_recovery_time([0.0, 2.0], [True, True], horizon=4.0) == 1.0
    assert np.isnan(restricted_mean_recovery_time([1.0, 2.0], [True, False], horizon=4.0))
    assert np.isnan(restricted_mean_recovery_time([np.nan], [False], horizon=4.0))
    assert recovery_curve([], []).empty


def test_a_policy_that_stays_at_the_floor_loses_all() -> None:
    assert area_lost([-5.0, -5.0], reference=-1.0, floor=-5.0) == 1.0
    assert area_lost([-1.0, 0.0], reference=-1.0, floor=-5.0) == 0.0
    assert area_lost([0.0, 5.0], reference=10.0, widths=[100.0, 10.0]) == 1050.0


def test_nothing_measured_is_nan() -> None:
    assert np.isnan(area_lost([], 1.0))
    assert np.isnan(area_lost([1.0], reference=1.0, floor=1.0))
    assert np.isnan(drop_depth(1.0, [np.nan]))
    assert np.isnan(steady_state_gap([], 1.0))


def test_the_steady_state_is_the_last_tenth() -> None:
    assert steady_state_gap([0.0] * 18 + [8.0, 6.0], reference=10.0) == 3.0
    assert steady_state_gap([4.0], reference=10.0) == 6.0
