"""The losses of soft actor-critic, as pure functions of explicit tensors.

Haarnoja et al., "Soft actor-critic algorithms and applications" (2018). Random numbers are drawn
by the caller, who may run all of this in compiled code.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, final

import torch
from torch import Tensor

LOG_STD_RANGE = (-20.0, 2.0)
"""Bounds of the logarithm of the standard deviation (stable-baselines3's)."""

_ROUNDING = 1e-6
_LOG_NORMAL = 0.5 * math.log(2 * math.pi)


@final
class Batch(NamedTuple):
    """Transitions from the replay buffer."""

    observations: Tensor
    """Of shape (batch, inputs)."""

    actions: Tensor
    """From -1 to 1, of shape (batch, dimensions)."""

    next_observations: Tensor
    """Of shape (batch, inputs)."""

    dones: Tensor
    """1 where the episode ended for good, else 0, of shape (batch,)."""

    rewards: Tensor
    """Of shape (batch,)."""

    discounts: Tensor
    """What a value after the transition is worth, of shape (batch,)."""


def draw(means: Tensor, log_stds: Tensor, noise: Tensor) -> Tensor:
    """Turn normal noise into actions, as `squash` does.

    Args:
        means: of shape (batch, dimensions).
        log_stds: logarithms of standard deviations, of the same shape.
        noise: standard normal numbers, of the same shape.

    Example:
        >>> draw(torch.zeros(1, 1), torch.zeros(1, 1), torch.ones(1, 1))
        tensor([[0.7616]])
    """
    return torch.tanh(means + log_stds.clamp(*LOG_STD_RANGE).exp() * noise)


def squash(means: Tensor, log_stds: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Turn normal noise into actions, and return how likely each of their dimensions was.

    Appendix C: actions are tanh(u), and u is normal. As in stable-baselines3, 1e-6 keeps the
    logarithm finite.

    Args:
        means: of u, of shape (batch, dimensions).
        log_stds: logarithms of u's standard deviations, of the same shape.
        noise: standard normal numbers, of the same shape.

    Returns:
        The actions and the logarithms of their densities, each of shape (batch, dimensions).

    Example:
        >>> actions, log_probs = squash(torch.zeros(1, 1), torch.zeros(1, 1), torch.zeros(1, 1))
        >>> actions.item(), round(log_probs.item(), 4)
        (0.0, -0.9189)
    """
    actions = draw(means, log_stds, noise)
    log_stds = log_stds.clamp(*LOG_STD_RANGE)
    densities = -0.5 * noise.square() - log_stds - _LOG_NORMAL
    return actions, densities - torch.log(1 - actions.square() + _ROUNDING)


def weigh(log_probs: Tensor, weights: Tensor | None) -> Tensor:
    """Return the logarithm of a whole action's density, with a weight for each dimension.

    Ji et al., "ACE: off-policy actor-critic with causality-aware entropy regularization" (2024)
    weigh dimensions so; without weights it is the density itself.

    Args:
        log_probs: of each dimension, of shape (batch, dimensions).
        weights: of shape (dimensions,), or None for 1 each.

    Example:
        >>> weigh(torch.tensor([[-1.0, -2.0]]), torch.tensor([2.0, 0.0]))
        tensor([-2.])
    """
    return (log_probs if weights is None else log_probs * weights).sum(dim=1)


def td_targets(
    batch: Batch,
    next_values: Tensor,
    next_log_probs: Tensor,
    temperature: Tensor | float,
    target_value: Literal["min", "mean"] = "min",
) -> Tensor:
    """Return what the critics are to predict (equations 3 and 5).

    Args:
        batch: the transitions.
        next_values: of the actor's next actions by each target network asked, of shape
            (critics, batch).
        next_log_probs: of those actions, of shape (batch,).
        temperature: weight of the entropy; 0 leaves it out of the targets.
        target_value: whether the smallest value counts, or the mean as in BRO (Nauman et al. 2024).

    Example:
        >>> one = torch.ones(1)
        >>> batch = Batch(one, one, one, dones=one * 0, rewards=one, discounts=one / 2)
        >>> td_targets(batch, torch.tensor([[4.0], [6.0]]), torch.tensor([-2.0]), 0.5)
        tensor([3.5000])
        >>> td_targets(batch, torch.tensor([[4.0], [6.0]]), torch.tensor([-2.0]), 0.5, "mean")
        tensor([4.])
    """
    value = next_values.amin(dim=0) if target_value == "min" else next_values.mean(dim=0)
    worth = value - temperature * next_log_probs
    return batch.rewards + (1 - batch.dones) * batch.discounts * worth


def critic_loss(values: Tensor, targets: Tensor) -> Tensor:
    """Return half the mean squared error, summed over the critics (equation 5).

    Args:
        values: of shape (critics, batch).
        targets: of shape (batch,).

    Example:
        >>> critic_loss(torch.tensor([[1.0], [3.0]]), torch.tensor([2.0]))
        tensor(1.)
    """
    return 0.5 * (values - targets).square().mean(dim=1).sum()


def actor_loss(
    values: Tensor,
    log_probs: Tensor,
    temperature: Tensor | float,
    actor_value: Literal["min", "mean"] = "min",
) -> Tensor:
    """Return the loss of the policy (equation 7).

    Args:
        values: of the actor's actions by each critic, of shape (critics, batch).
        log_probs: of those actions, of shape (batch,).
        temperature: weight of the entropy.
        actor_value: whether the smallest value counts, or the mean as in REDQ (Chen et al. 2021).

    Example:
        >>> values = torch.tensor([[1.0], [3.0]])
        >>> actor_loss(values, torch.tensor([2.0]), 0.5)
        tensor(0.)
        >>> actor_loss(values, torch.tensor([2.0]), 0.5, "mean")
        tensor(-1.)
    """
    value = values.amin(dim=0) if actor_value == "min" else values.mean(dim=0)
    return (temperature * log_probs - value).mean()


def temperature_loss(
    log_temperature: Tensor, log_prob: Tensor, target_entropy: float
) -> tuple[Tensor, Tensor]:
    """Return the loss of the temperature and its gradient in the temperature's logarithm.

    Equation 18, with the logarithm in place of the temperature, as in stable-baselines3.

    Args:
        log_temperature: of shape (1,).
        log_prob: mean of the actor's actions, a scalar.
        target_entropy: the entropy to be reached.

    Example:
        >>> loss, gradient = temperature_loss(torch.tensor([2.0]), torch.tensor(-3.0), 1.0)
        >>> loss.item(), gradient.item()
        (4.0, 2.0)
    """
    gradient = -(log_prob + target_entropy)
    return (log_temperature * gradient).sum(), gradient
