"""Belief over the age of the present segment: when did the world last change?

An exact Bayesian change-point filter, in pure functions of tensors. Chen et al., "An adaptive deep
RL method for non-stationary environments with piecewise stable context" (NeurIPS 2022), SeCBAD,
whose joint belief over segment length and context it is; Adams and MacKay, "Bayesian online
changepoint detection" (2007).

A segment's first step has age 1. In every tensor the last dimension runs over ages: entry g - 1
is that of age g. The last entry holds all higher ages too, so that no probability is lost where
ages are truncated; truncate well above the mean length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor

from ..wrappers.errors import SettingsError


def normal_hazard(
    mean: float, standard_deviation: float, minimum: int = 1, n_ages: int | None = None
) -> Tensor:
    """Return how likely a segment ends at each age, for SeCBAD's law of lengths.

    Lengths are max(int(N(mean, standard_deviation)), minimum), and h(g) = P(L = g) / P(L >= g).

    Args:
        mean: of the normal, in steps, more than 0.
        standard_deviation: of the normal, in steps, more than 0.
        minimum: least length, at least 1.
        n_ages: number of ages, at least 1; by default `enough_ages`.

    Returns:
        Of shape (n_ages,), in float64.

    Raises:
        SettingsError: a number out of range.

    Example:
        >>> hazard = normal_hazard(20, 5, minimum=10, n_ages=25)
        >>> [round(hazard[age - 1].item(), 3) for age in (9, 10, 15, 25)]
        [0.0, 0.036, 0.063, 0.275]
    """
    _require("the mean length", mean > 0, "more than 0", mean)
    _require("the lengths' deviation", standard_deviation > 0, "more than 0", standard_deviation)
    _require("the least length", minimum >= 1, "at least 1", minimum)
    ages = np.arange(1, (n_ages or enough_ages(mean, standard_deviation)) + 1)
    # P(L >= g) = P(N >= g) above the minimum, and 1 up to it; logarithms reach far into the tail.
    at_least = np.where(ages > minimum, norm.logsf(ages, mean, standard_deviation), 0.0)
    more = norm.logsf(ages + 1, mean, standard_deviation)
    return torch.from_numpy(np.where(ages >= minimum, -np.expm1(more - at_least), 0.0))


def geometric_hazard(mean: float, n_ages: int) -> Tensor:
    """Return the constant hazard of a memoryless law, 1 / mean.

    Args:
        mean: mean length in steps, at least 1; infinite for segments that never end.
        n_ages: number of ages, at least 1.

    Returns:
        Of shape (n_ages,), in float64.

    Raises:
        SettingsError: a mean below 1.

    Example:
        >>> geometric_hazard(20, 3)
        tensor([0.0500, 0.0500, 0.0500], dtype=torch.float64)
    """
    _require("the mean length", mean >= 1, "at least 1", mean)
    return torch.full((n_ages,), 1.0 / mean, dtype=torch.float64)


def sampled_hazard(lengths: Sequence[int] | np.ndarray, n_ages: int) -> Tensor:
    """Estimate the hazard from lengths of segments.

    The released code of SeCBAD (`utils/get_prior.py`) normalises such counts over the age before a
    step where they are to be normalised over the age after it: no segment there ever survives its
    first step with a probability other than 1.

    Args:
        lengths: in steps, each at least 1.
        n_ages: number of ages, at least 1.

    Returns:
        Of shape (n_ages,), in float64: 0 at ages below all lengths, 1 beyond them.

    Example:
        >>> sampled_hazard([1, 2, 2, 3], 4)
        tensor([0.2500, 0.6667, 1.0000, 1.0000], dtype=torch.float64)
    """
    ages = np.arange(1, n_ages + 1)[:, None]
    ended = (ages == np.asarray(lengths)).sum(axis=1)
    alive = (ages <= np.asarray(lengths)).sum(axis=1)
    return torch.from_numpy(np.where(alive > 0, ended / np.maximum(alive, 1), 1.0))


def enough_ages(mean: float, standard_deviation: float) -> int:
    """Return how many ages a filter needs so that truncation costs nothing: mean + 2 deviations.

    Args:
        mean: mean length in steps.
        standard_deviation: of the lengths, in steps.

    Example:
        >>> enough_ages(60, 20)
        100
    """
    return int(np.ceil(mean + 2 * standard_deviation))


def age_kernel(hazard: Tensor) -> Tensor:
    """Return the transition probabilities of ages, K[i, k] from age k + 1 to age i + 1.

    Args:
        hazard: of shape (ages,).

    Returns:
        Of shape (ages, ages); every column sums to 1.

    Example:
        >>> age_kernel(torch.tensor([0.0, 0.5, 0.75]))
        tensor([[0.0000, 0.5000, 0.7500],
                [1.0000, 0.0000, 0.0000],
                [0.0000, 0.5000, 0.2500]])
    """
    kernel = torch.diag(1 - hazard[:-1], -1) if len(hazard) > 1 else torch.zeros(1, 1).to(hazard)
    kernel[-1, -1] += 1 - hazard[-1]
    kernel[0] += hazard
    return kernel


def first_step(shape: Sequence[int], n_ages: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the belief before anything is seen: a segment begins.

    Args:
        shape: of what comes before the ages.
        n_ages: number of ages.
        dtype: of the result.

    Returns:
        Logarithms of probabilities, of shape (*shape, n_ages).
    """
    log_ages = torch.full((*shape, n_ages), -torch.inf, dtype=dtype)
    log_ages[..., 0] = 0.0
    return log_ages


def predict_age(log_ages: Tensor, hazard: Tensor) -> Tensor:
    """Return the belief about the next step's age before that step is seen.

    Args:
        log_ages: logarithms of p(age now), of shape (..., ages).
        hazard: how likely a segment ends at each age, of shape (ages,).

    Returns:
        Logarithms of p(age of the next step), of shape (..., ages).

    Example:
        >>> predict_age(first_step((), 3), torch.tensor([0.25, 0.5, 1.0])).exp()
        tensor([0.2500, 0.7500, 0.0000])
    """
    hazard = hazard.to(log_ages.dtype)
    changed = torch.logsumexp(log_ages + hazard.log(), dim=-1, keepdim=True)
    grown = log_ages + torch.log1p(-hazard)
    if log_ages.shape[-1] == 1:
        return torch.logaddexp(changed, grown)
    oldest = torch.logaddexp(grown[..., -2:-1], grown[..., -1:])
    return torch.cat([changed, grown[..., :-2], oldest], dim=-1)


def update_age(log_ages: Tensor, log_likelihoods: Tensor) -> Tensor:
    """Return the belief about a step's age after the step was seen.

    Args:
        log_ages: the prediction, of shape (..., ages).
        log_likelihoods: of what was seen given each age, log p(x | the g - 1 steps before) for
            age g, of shape (..., ages); a constant that all ages share is of no account.

    Returns:
        Logarithms of probabilities that sum to 1, of shape (..., ages).

    Example:
        >>> update_age(torch.tensor([0.5, 0.5]).log(), torch.tensor([1.0, 3.0]).log()).exp()
        tensor([0.2500, 0.7500])
    """
    return torch.log_softmax(log_ages + log_likelihoods, dim=-1)


def mixture(log_ages: Tensor, means: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of the context, over all ages: the paper's belief.

    Args:
        log_ages: of shape (..., ages).
        means: of the context given each age, of shape (..., ages, dimensions).
        variances: of the same shape.

    Returns:
        Both of shape (..., dimensions).

    Example:
        >>> mixture(torch.tensor([0.5, 0.5]).log(), torch.tensor([[0.0], [2.0]]), torch.ones(2, 1))
        (tensor([1.]), tensor([2.]))
    """
    weights = log_ages.exp().unsqueeze(-1)
    mean = (weights * means).sum(dim=-2)
    spread = (means - mean.unsqueeze(-2)).square()
    return mean, (weights * (variances + spread)).sum(dim=-2)


def most_likely(log_ages: Tensor, means: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of the context at the most likely age: the released code's belief.

    Args:
        log_ages: of shape (..., ages).
        means: of the context given each age, of shape (..., ages, dimensions).
        variances: of the same shape.

    Returns:
        Both of shape (..., dimensions).

    Example:
        >>> log_ages, means = torch.tensor([0.4, 0.6]).log(), torch.tensor([[0.0], [2.0]])
        >>> most_likely(log_ages, means, torch.ones(2, 1))
        (tensor([2.]), tensor([1.]))
    """
    index = log_ages.argmax(dim=-1, keepdim=True).unsqueeze(-1)
    index = index.expand(*log_ages.shape[:-1], 1, means.shape[-1])
    return means.gather(-2, index).squeeze(-2), variances.gather(-2, index).squeeze(-2)


def _require(what: str, fits: bool, allowed: str, value: float) -> None:
    if not fits:
        raise SettingsError(f"{what} must be {allowed}, not {value}")
