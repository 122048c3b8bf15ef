from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from everlearn.evaluation.statistics.comparisons import adjust, compare, least_p


def test_p_is_the_share_of_signs_that_do_as_well() -> None:
    own, their = pd.Series([3.0, 4.0, 5.0, 6.0]), pd.Series([2.0, 2.0, 2.0, 6.5])
    row = compare({"a": own, "b": their}).iloc[0]
    differences = (own - their).to_numpy()
    signs = np.array(np.meshgrid(*[[-1, 1]] * 4)).reshape(4, -1).T
    means = (signs * differences).mean(axis=1)
    by_hand = np.mean(np.abs(means) >= abs(differences.mean()) - 1e-12)
    assert row["p"] == pytest.approx(by_hand)
    assert row["difference"] == pytest.approx(differences.mean())
    assert row["low"] < row["difference"] < row["high"]


def test_the_least_p_is_what_the_clearest_difference_gets() -> None:
    for n in (3, 5, 8):
        row = compare({"a": pd.Series(np.arange(n) + 100.0), "b": pd.Series(np.arange(n))}).iloc[0]
        assert row["p"] == pytest.approx(least_p(n))
        assert row["p_least"] == least_p(n)


def test_only_seeds_in_common_are_compared() -> None:
    own = pd.Series([1.0, 2.0, np.nan, 4.0], index=[0, 1, 2, 3])
    their = pd.Series([0.0, 0.0, 0.0], index=[1, 2, 3])
    row = compare({"a": own, "b": their}).iloc[0]
    assert row["n"] == 2
    assert row["difference"] == 3.0


def test_nothing_in_common_is_nan() -> None:
    row = compare({"a": pd.Series([1.0], [0]), "b": pd.Series([1.0], [1])}).iloc[0]
    assert row["n"] == 0
    assert row[["difference", "p", "p_adjusted"]].isna().all()


def test_all_pairs_or_all_with_one() -> None:
    runs = {name: pd.Series(np.arange(3.0)) for name in "abc"}
    assert compare(runs)[["agent", "other"]].to_numpy().tolist() == [
        ["a", "b"], ["a", "c"], ["b", "c"],
    ]  # fmt: skip
    assert compare(runs, baseline="b")[["agent", "other"]].to_numpy().tolist() == [
        ["a", "b"], ["c", "b"],
    ]  # fmt: skip


def test_equal_agents_do_not_differ() -> None:
    row = compare({"a": pd.Series([1.0, 2.0, 3.0]), "b": pd.Series([1.0, 2.0, 3.0])}).iloc[0]
    assert row["p"] == 1.0


def test_holm_by_hand() -> None:
    # 4 x 0.01, 3 x 0.02, 2 x 0.03 and then no less than the one before.
    np.testing.assert_allclose(adjust([0.02, 0.01, 0.03, 0.03]), [0.06, 0.04, 0.06, 0.06])
    assert adjust([0.9, 0.8]).tolist() == [1.0, 1.0]


def test_tests_that_were_not_made_do_not_count() -> None:
    np.testing.assert_array_equal(adjust([0.01, np.nan, 0.04]), [0.02, np.nan, 0.04])
    assert np.isnan(adjust([np.nan])).all()
    p = [0.01, 0.02, 0.5]
    found = adjust([*p, np.nan], "benjamini-hochberg")
    np.testing.assert_allclose(found[:3], stats.false_discovery_control(p))


def test_false_findings_are_as_rare_as_promised() -> None:
    rng = np.random.default_rng(0)
    index = range(8)
    found = [
        compare({"a": pd.Series(rng.normal(size=8), index), "b": pd.Series(np.zeros(8), index)})[
            "p"
        ].item()
        for _ in range(200)
    ]
    # Binomial(200, 0.05) is below 20 with probability 0.998.
    assert sum(p <= 0.05 for p in found) < 20
