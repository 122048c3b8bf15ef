from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from everlearn.evaluation.statistics.seeds import (
    detectable_effect,
    power,
    runs_needed,
    seeds_note,
)


@pytest.mark.parametrize(("effect", "n"), [(0.5, 10), (1.0, 5), (0.0, 6)])
def test_power_is_how_often_the_test_finds_it(effect: float, n: int) -> None:
    draws = np.random.default_rng(0).normal(effect, 1.0, size=(20_000, n))
    found = stats.ttest_1samp(draws, 0.0, axis=1).pvalue < 0.05
    # Four standard errors of a share of 20,000.
    assert power(effect, n) == pytest.approx(found.mean(), abs=0.015)


def test_the_detectable_effect_has_the_power_that_was_wanted() -> None:
    for n in (3, 10, 30):
        assert power(detectable_effect(n), n) == pytest.approx(0.8)
    assert detectable_effect(30) < detectable_effect(10) < detectable_effect(3)


def test_runs_needed_is_the_first_number_that_suffices() -> None:
    n = runs_needed(0.7)
    assert n is not None
    assert power(0.7, n) >= 0.8 > power(0.7, n - 1)
    assert runs_needed(-0.7) == n
    assert runs_needed(0.01) is None


def test_the_note_says_what_cannot_be_concluded() -> None:
    assert "not to compare" in seeds_note(1)
    assert "cannot reach p < 0.05" in seeds_note(5)
    assert "cannot reach" not in seeds_note(10)
    assert "cannot reach" in seeds_note(10, comparisons=45)
    assert "main claim" in seeds_note(30)


def test_the_note_says_how_many_seeds_a_difference_would_need() -> None:
    differences = np.array([1.0, 3.0, 2.0])
    # A t-test would do with 5, whose permutations cannot give p < 0.05.
    assert power(2.0, 5) > 0.8
    assert runs_needed(2.0) == 6
    assert "about 6 seeds" in seeds_note(3, differences=differences)
    assert "more than 1,000 seeds" in seeds_note(3, differences=[-1.0, 1.0, 1e-6])
    assert "not known" in seeds_note(3, differences=[1.0, 1.0, 1.0])
