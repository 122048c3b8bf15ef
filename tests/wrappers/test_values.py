import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.values import (
    Categorical,
    Clipped,
    LogUniform,
    Mixture,
    Recurring,
    Uniform,
    ValueLaw,
    Values,
)

LAWS = [
    Values((3.0, 1.0, 2.0)),
    Uniform(-1.0, 4.0),
    LogUniform(0.02, 2.0),
    Categorical((1.0, 2.0)),
    Mixture((Uniform(0.0, 1.0), Values((5.0,)))),
    Recurring(Uniform(0.0, 1.0), 3),
    Clipped(Uniform(0.0, 1.0), 0.2, 0.8),
]


@pytest.mark.parametrize("law", LAWS)
@given(index=st.integers(0, 2**40), seed=st.integers(0, 2**40))
def test_a_value_depends_on_index_and_seed_alone(law: ValueLaw, index: int, seed: int) -> None:
    assert law.value(index, (seed,)) == law.value(index, (seed,))


@pytest.mark.parametrize("law", [Uniform(-1.0, 4.0), LogUniform(0.02, 2.0)])
def test_draws_differ_between_segments_and_seeds(law: ValueLaw) -> None:
    draws = {law.value(index, (seed,)) for index in range(20) for seed in range(20)}
    assert len(draws) == 400


def test_uniform_has_its_distribution() -> None:
    draws = [Uniform(-1.0, 4.0).value(index, (0,)) for index in range(2000)]
    assert stats.kstest(draws, stats.uniform(-1.0, 5.0).cdf).pvalue > 0.01


def test_log_uniform_has_its_distribution() -> None:
    draws = np.log([LogUniform(0.02, 2.0).value(index, (0,)) for index in range(2000)])
    low, high = math.log(0.02), math.log(2.0)
    assert stats.kstest(draws, stats.uniform(low, high - low).cdf).pvalue > 0.01


def test_values_come_in_turn() -> None:
    assert [Values((3.0, 1.0)).value(index, ()) for index in range(4)] == [3.0, 1.0, 3.0, 1.0]


@pytest.mark.parametrize(
    ("law", "arguments"),
    [
        (Values, ((),)),
        (Values, ((1.0, math.nan),)),
        (Uniform, (1.0, 1.0)),
        (Uniform, (math.inf, 1.0)),
        (LogUniform, (0.0, 1.0)),
        (LogUniform, (2.0, 1.0)),
        (LogUniform, ("0.1", 1.0)),
        (Categorical, ((), ())),
        (Categorical, ((1.0, 2.0), (1.0,))),
        (Categorical, ((1.0, 2.0), (0.0, 0.0))),
        (Mixture, ((),)),
        (Mixture, ((0.5,),)),
        (Recurring, (Uniform(0.0, 1.0), 0)),
        (Clipped, (Uniform(0.0, 1.0), 1.0, 0.0)),
    ],
)
def test_settings_out_of_range_are_refused(law: type[ValueLaw], arguments: tuple) -> None:
    with pytest.raises(SettingsError):
        law(*arguments)


def test_a_categorical_law_follows_its_weights() -> None:
    law = Categorical((1.0, 2.0, 3.0), weights=(1.0, 0.0, 3.0))
    draws = [law.value(number, (0,)) for number in range(2000)]
    assert set(draws) == {1.0, 3.0}
    assert abs(draws.count(3.0) / 2000 - 0.75) < 4 * math.sqrt(0.75 * 0.25 / 2000)


def test_a_mixture_draws_from_each_of_its_laws() -> None:
    law = Mixture((Uniform(-1.0, -0.3), Uniform(0.3, 1.0)), weights=(1.0, 4.0))
    draws = np.array([law.value(number, (0,)) for number in range(1000)])
    assert ((np.abs(draws) >= 0.3) & (np.abs(draws) <= 1.0)).all()
    assert abs((draws > 0).mean() - 0.8) < 4 * math.sqrt(0.16 / 1000)


def test_recurring_values_come_back() -> None:
    law = Recurring(LogUniform(0.02, 2.0), size=4)
    draws = [law.value(number, (0,)) for number in range(400)]
    assert len(set(draws)) == 4
    assert len({law.value(number, (1,)) for number in range(400)} & set(draws)) == 0


def test_clipped_values_stay_inside() -> None:
    law = Clipped(Uniform(-5.0, 5.0), -1.0, 1.0)
    draws = [law.value(number, (0,)) for number in range(100)]
    assert min(draws) == -1.0
    assert max(draws) == 1.0
