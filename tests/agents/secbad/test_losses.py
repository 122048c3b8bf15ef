from __future__ import annotations

import torch
from torch.distributions import Independent, Normal, kl_divergence

from everlearn.agents.secbad.losses import chain_divergence, divergence, log_likelihood, mean_over


def gaussian(mean: torch.Tensor, log_variance: torch.Tensor) -> Independent:
    return Independent(Normal(mean, torch.exp(0.5 * log_variance)), 1)


def test_likelihoods_and_divergences_are_those_of_torch() -> None:
    mean, log_variance, other, other_log_variance = torch.randn(4, 7, 3).unbind()
    found = divergence(mean, log_variance, other, other_log_variance)
    expected = kl_divergence(gaussian(mean, log_variance), gaussian(other, other_log_variance))
    torch.testing.assert_close(found, expected)
    deviations = torch.tensor([-1.0, 0.0, 0.5])
    expected = Independent(Normal(mean, deviations.exp()), 1).log_prob(other)
    torch.testing.assert_close(log_likelihood(mean, other, deviations), expected)


def test_each_posterior_diverges_from_the_one_before_it() -> None:
    means, log_variances = torch.randn(2, 4, 5, 3).unbind()
    found = chain_divergence(means, log_variances)
    zero = torch.zeros(5, 3)
    torch.testing.assert_close(found[0], divergence(means[0], log_variances[0], zero, zero))
    expected = divergence(means[3], log_variances[3], means[2], log_variances[2])
    torch.testing.assert_close(found[3], expected)


def test_what_is_not_there_costs_nothing() -> None:
    values = torch.tensor([[1.0, torch.nan], [3.0, torch.inf]])
    assert mean_over(values, torch.isfinite(values)) == 2
    assert mean_over(values, torch.zeros(2, 2, dtype=torch.bool)) == 0
