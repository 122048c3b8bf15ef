"""The filter on worlds whose posteriors are exact: facts of a conjugate toy, and limits."""

from __future__ import annotations

import math
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from everlearn.agents.belief import (
    age_kernel,
    enough_ages,
    geometric_hazard,
    mixture,
    most_likely,
    normal_hazard,
    predict_age,
    sampled_hazard,
)
from everlearn.wrappers.errors import SettingsError

sys.path.insert(0, str(Path(__file__).parent))
from toy_segments import (  # type: ignore[import-not-found]
    DEVIATION,
    LEAST,
    MEAN,
    N_RUNS,
    N_STEPS,
    Toy,
    run_filter,
    toy,
)


class Errors(NamedTuple):
    mixture: float
    most_likely: float
    near: float
    near_late: float


@cache
def errors(variance: float, n_ages: int = N_STEPS, geometric: float = 0.0) -> Errors:
    data = toy(variance)
    hazard = normal_hazard(MEAN, DEVIATION, LEAST, n_ages)
    if geometric:
        hazard = geometric_hazard(geometric, n_ages)
    squares: list[list[float]] = []
    near: list[Tensor] = []
    for step, (log_ages, means, variances) in enumerate(run_filter(data, variance, hazard)):
        found = [how(log_ages, means, variances)[0] for how in (mixture, most_likely)]
        truth = data.contexts[:, step : step + 1]
        squares.append([(mean - truth).square().mean().item() for mean in found])
        near.append((log_ages.argmax(dim=1) + 1 - data.ages[:, step]).abs())
    apart = torch.stack(near, dim=1)
    late = data.ages > 5
    mean, most = np.mean(squares, axis=0).tolist()
    return Errors(
        mean,
        most,
        (apart <= 2).double().mean().item(),
        (apart[late] <= 3).double().mean().item(),
    )


def known_segment_error(variance: float, forgets: bool) -> float:
    data = toy(variance)
    square = 0.0
    for run in range(N_RUNS):
        total, count = 0.0, 0
        for step in range(N_STEPS):
            if forgets and data.ages[run, step] == 1:
                total, count = 0.0, 0
            total, count = total + data.rewards[run, step].item(), count + 1
            square += (total / (count + variance) - data.contexts[run, step].item()) ** 2
    return square / (N_RUNS * N_STEPS)


def test_conjugate_toy_reaches_the_exact_errors() -> None:
    found = errors(0.25)
    oracle, full_history = (known_segment_error(0.25, forgets) for forgets in (True, False))
    assert oracle <= 0.045
    assert found.mixture <= 0.075
    assert found.most_likely <= 0.095
    assert full_history >= 0.7
    assert oracle < found.mixture < found.most_likely < full_history
    # An independent filter found 0.739 on data of the same law.
    assert found.near == pytest.approx(0.739, abs=0.03)


def test_less_noise_tells_more() -> None:
    """Figures of an independent exact filter on 200 runs of the same law."""
    assert errors(0.01).mixture == pytest.approx(0.0022, rel=0.15)
    assert errors(0.01).near == pytest.approx(0.940, abs=0.02)
    assert errors(0.01).near_late > errors(0.25).near_late


def test_a_wrong_law_of_lengths_costs_little() -> None:
    assert errors(0.25, geometric=20.0).mixture < 1.2 * errors(0.25).mixture
    assert errors(0.25, geometric=100.0).mixture < 1.45 * errors(0.25).mixture


def test_truncation_above_mean_and_two_deviations_is_free() -> None:
    whole = errors(0.25).mixture
    assert errors(0.25, n_ages=enough_ages(MEAN, DEVIATION)).mixture == pytest.approx(
        whole, rel=0.02
    )
    assert errors(0.25, n_ages=9).mixture > 2 * whole


def test_hazard_of_the_clipped_normal() -> None:
    # Rounding N(20, 5) is cutting off N(20.5, 5); the figures were estimated from samples.
    hazard = normal_hazard(20.5, 5, minimum=10, n_ages=40)
    expected = {9: 0.0, 10: 0.029, 15: 0.056, 20: 0.147, 25: 0.263, 30: 0.375}
    found = {age: hazard[age - 1].item() for age in expected}
    assert found == pytest.approx(expected, abs=0.004)
    lengths = np.maximum(np.random.default_rng(0).normal(20, 5, 200_000).astype(int), 10)
    torch.testing.assert_close(
        sampled_hazard(lengths, 30), normal_hazard(20, 5, 10, 30), rtol=0, atol=0.01
    )


def test_the_far_tail_stays_finite() -> None:
    hazard = normal_hazard(20, 5, 10, n_ages=1000)
    assert torch.isfinite(hazard).all()
    assert (hazard[30:].diff() >= -1e-9).all()
    assert 0.99 < hazard[-1] <= 1


@pytest.mark.parametrize(
    "hazard",
    [normal_hazard(20, 5, 10), geometric_hazard(7, 3), sampled_hazard([1, 4, 4], 6), torch.ones(1)],
)
def test_kernels_are_conditional_on_the_age_before(hazard: Tensor) -> None:
    kernel = age_kernel(hazard)
    torch.testing.assert_close(kernel.sum(dim=0), torch.ones_like(hazard))
    generator = torch.Generator().manual_seed(0)
    ages = torch.rand(5, len(hazard), generator=generator, dtype=hazard.dtype)
    ages /= ages.sum(dim=1, keepdim=True)
    torch.testing.assert_close(predict_age(ages.log(), hazard).exp(), ages @ kernel.T)


def test_segments_that_never_end_give_the_whole_history() -> None:
    data = Toy(*(field[:3] for field in toy(0.25)))
    beliefs = list(run_filter(data, 0.25, geometric_hazard(math.inf, N_STEPS)))
    for step, (log_ages, means, variances) in enumerate(beliefs):
        assert log_ages[:, step].tolist() == [0.0] * 3
        expected = data.rewards[:, : step + 1].sum(dim=1) / (step + 1.25)
        torch.testing.assert_close(mixture(log_ages, means, variances)[0][:, 0], expected)


def test_segments_of_one_step_begin_from_the_prior_each_time() -> None:
    data = Toy(*(field[:3, :20] for field in toy(0.25)))
    for step, (log_ages, means, variances) in enumerate(run_filter(data, 0.25, torch.ones(8))):
        assert log_ages.exp().tolist() == [[1.0] + [0.0] * 7] * 3
        found = most_likely(log_ages, means, variances)
        torch.testing.assert_close(found[0][:, 0], data.rewards[:, step] / 1.25)


def test_runs_together_are_runs_alone() -> None:
    data = Toy(*(field[:4, :60] for field in toy(0.25)))
    hazard = normal_hazard(MEAN, DEVIATION, LEAST)
    together = [log_ages for log_ages, _, _ in run_filter(data, 0.25, hazard)]
    for run in range(4):
        alone = run_filter(Toy(*(field[run : run + 1] for field in data)), 0.25, hazard)
        for joint, (log_ages, _, _) in zip(together, alone, strict=True):
            torch.testing.assert_close(joint[run], log_ages[0], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("law", "sentence"),
    [
        ((0, 5, 1), "the mean length must be more than 0, not 0"),
        ((20, 0, 1), "the lengths' deviation must be more than 0, not 0"),
        ((20, 5, 0), "the least length must be at least 1, not 0"),
    ],
)
def test_laws_out_of_range(law: tuple[Any, ...], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        normal_hazard(*law)
    with pytest.raises(SettingsError, match=r"the mean length must be at least 1, not 0\.5"):
        geometric_hazard(0.5, 3)
