import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.values import LogUniform, Uniform, ValueLaw, Values

LAWS = [Values((3.0, 1.0, 2.0)), Uniform(-1.0, 4.0), LogUniform(0.02, 2.0)]


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
    ],
)
def test_settings_out_of_range_are_refused(law: type[ValueLaw], arguments: tuple) -> None:
    with pytest.raises(SettingsError):
        law(*arguments)
