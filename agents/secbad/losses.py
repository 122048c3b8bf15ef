"""The variational losses of reward and state prediction, as functions of tensors."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Losses(NamedTuple):
    """What a context is to pay for.

    Attributes:
        reconstruction: negative log-likelihood of what was to be explained.
        divergence: of each posterior from the one before.
        square_errors: mean squares of the predictions' errors, of shape (predictions,).
    """

    reconstruction: Tensor
    divergence: Tensor
    square_errors: Tensor


def log_likelihood(predictions: Tensor, targets: Tensor, log_deviations: Tensor) -> Tensor:
    """Return the log-density of independent Gaussians.

    Args:
        predictions: their means, of shape (..., numbers).
        targets: what was seen, to be broadcast against `predictions`.
        log_deviations: of shape (numbers,).

    Returns:
        Of shape (...).

    Example:
        >>> round(log_likelihood(torch.zeros(1), torch.ones(1), torch.zeros(1)).item(), 4)
        -1.4189
    """
    errors = (targets - predictions) * torch.exp(-log_deviations)
    return -(0.5 * errors.square() + log_deviations + 0.5 * math.log(2 * math.pi)).sum(dim=-1)


def divergence(
    mean: Tensor, log_variance: Tensor, prior_mean: Tensor, prior_log_variance: Tensor
) -> Tensor:
    """Return the Kullback-Leibler divergence of a diagonal Gaussian from another.

    Args:
        mean: of shape (..., numbers).
        log_variance: of the same shape.
        prior_mean: of the Gaussian diverged from.
        prior_log_variance: the same.

    Returns:
        Of shape (...).

    Example:
        >>> zero, one = torch.zeros(1), torch.ones(1)
        >>> divergence(one, zero, zero, zero)
        tensor(0.5000)
    """
    ratio = torch.exp(log_variance - prior_log_variance)
    apart = (mean - prior_mean).square() * torch.exp(-prior_log_variance)
    return 0.5 * (ratio + apart - 1 - log_variance + prior_log_variance).sum(dim=-1)


def chain_divergence(means: Tensor, log_variances: Tensor) -> Tensor:
    """Return the divergence of each posterior from the one a step before, the first's from N(0, 1).

    Zintgraf et al., "VariBAD" (2020), equation 8.

    Args:
        means: of shape (steps, segments, numbers).
        log_variances: of the same shape.

    Returns:
        Of shape (steps, segments).
    """
    before_mean = torch.cat([torch.zeros_like(means[:1]), means[:-1]])
    before = torch.cat([torch.zeros_like(means[:1]), log_variances[:-1]])
    return divergence(means, log_variances, before_mean, before)


def mean_over(values: Tensor, valid: Tensor) -> Tensor:
    """Return the mean of valid entries.

    Args:
        values: any.
        valid: booleans of the same shape.

    Example:
        >>> mean_over(torch.tensor([1.0, 2.0, 9.0]), torch.tensor([True, True, False]))
        tensor(1.5000)
    """
    return torch.where(valid, values, 0.0).sum() / valid.sum().clamp(min=1)
