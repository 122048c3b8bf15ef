"""The losses of learning from transitions alone, as pure functions of explicit tensors."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LOG_STD_RANGE = (-5.0, 2.0)
"""Bounds of the logarithm of the standard deviation (published code of IQL)."""

MOST_WEIGHT = 100.0
"""No advantage weighs more (published code of IQL)."""

_LOG_NORMAL = 0.5 * math.log(2 * math.pi)


def expectile_loss(differences: Tensor, expectile: float) -> Tensor:
    """Return the asymmetric squared loss whose minimum is an expectile.

    Kostrikov et al., "Offline reinforcement learning with implicit Q-learning" (2022), equation 5.

    Args:
        differences: of what is predicted less the prediction, of any shape.
        expectile: from 0 to 1; 0.5 gives half the mean squared error.

    Example:
        >>> expectile_loss(torch.tensor([2.0, -2.0]), 0.9)
        tensor(2.)
    """
    weights = torch.where(differences > 0, expectile, 1 - expectile)
    return (weights * differences.square()).mean()


def advantage_weights(values: Tensor, baselines: Tensor, temperature: Tensor | float) -> Tensor:
    """Return how much each action is to be imitated: exp(beta (Q - V)), at most 100.

    Kostrikov et al. (2022), equation 7.

    Args:
        values: of the actions, of shape (batch,).
        baselines: of the states, of the same shape.
        temperature: beta, 0 or more; one for all, or one for each row.

    Example:
        >>> weights = advantage_weights(torch.ones(3), torch.tensor([1.0, 0.0, 0.0]), 4.0)
        >>> [round(weight, 1) for weight in weights.tolist()]
        [1.0, 54.6, 54.6]
    """
    return (temperature * (values - baselines)).exp().clamp(max=MOST_WEIGHT)


def gaussian_log_prob(actions: Tensor, means: Tensor, log_stds: Tensor) -> Tensor:
    """Return the logarithm of the density of whole actions, of shape (batch,).

    Args:
        actions: of shape (batch, dimensions).
        means: of the same shape.
        log_stds: logarithms of the standard deviations, of a shape that broadcasts to it.

    Example:
        >>> gaussian_log_prob(torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(2))
        tensor([-1.8379])
    """
    log_stds = log_stds.clamp(*LOG_STD_RANGE)
    scaled = (actions - means) / log_stds.exp()
    return (-0.5 * scaled.square() - log_stds - _LOG_NORMAL).sum(dim=-1)


def imitation_loss(log_probs: Tensor, weights: Tensor) -> Tensor:
    """Return the loss of advantage-weighted regression.

    Args:
        log_probs: of the actions that were taken, of shape (batch,).
        weights: from `advantage_weights`; no gradient goes through them.
    """
    return -(weights.detach() * log_probs).mean()


def squared_loss(values: Tensor, targets: Tensor) -> Tensor:
    """Return the mean squared error, summed over the critics (Kostrikov et al. 2022, equation 6).

    Args:
        values: of shape (critics, batch).
        targets: of shape (batch,).

    Example:
        >>> squared_loss(torch.tensor([[1.0], [4.0]]), torch.tensor([2.0]))
        tensor(5.)
    """
    return (values - targets).square().mean(dim=1).sum()


def conservative_penalty(
    values: Tensor,
    sampled: Tensor,
    log_densities: Tensor,
    bounds: Tensor | None = None,
    bounded: Tensor | None = None,
) -> Tensor:
    """Return how much higher critics see sampled actions than those of the data.

    Kumar et al., "Conservative Q-learning" (2020), equation 4, by importance sampling as in the
    published code: the mean over the batch, summed over critics, of log mean exp(Q(s, a) - log
    density(a)) - Q(s, a of the data). With `bounds` it is that of Cal-QL (Nakamoto et al., 2023):
    values of the policy's actions are not pushed below what the data have earned.

    Args:
        values: of the data's actions, of shape (critics, batch).
        sampled: of sampled actions, of shape (critics, batch, actions).
        log_densities: of them under what they were sampled from, of shape (batch, actions).
        bounds: returns of the data from each row on, of shape (batch,).
        bounded: which of the sampled actions are the policy's, of shape (actions,).

    Example:
        >>> flat = torch.zeros(1, 1, 4)
        >>> conservative_penalty(torch.tensor([[1.0]]), flat, flat[0])
        tensor(-1.)
        >>> every = torch.ones(4, dtype=torch.bool)
        >>> conservative_penalty(torch.tensor([[1.0]]), flat, flat[0], torch.tensor([3.0]), every)
        tensor(2.)
    """
    if bounds is not None and bounded is not None:
        floor = torch.maximum(sampled, bounds[:, None])
        sampled = torch.where(bounded, floor, sampled)
    weighed = torch.logsumexp(sampled - log_densities, dim=2) - math.log(sampled.shape[2])
    return (weighed - values).mean(dim=1).sum()
