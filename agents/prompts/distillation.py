"""A policy is made random again, as far as its free weights can."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..layers import Part
from ..retention.retention_method import outputs_with

LOG_STD_RANGE = (-20.0, 2.0)
"""Bounds of the logarithm of the standard deviation (stable-baselines3's)."""


def divergence_from_random(means: Tensor, log_stds: Tensor) -> Tensor:
    """Return the KL divergence of normal distributions from the standard normal one.

    Args:
        means: of shape (batch, dimensions).
        log_stds: logarithms of the standard deviations, of the same shape.

    Returns:
        The sum over the dimensions, on average over the batch.

    Example:
        >>> divergence_from_random(torch.ones(1, 2), torch.zeros(1, 2)).item()
        1.0
    """
    log_stds = log_stds.clamp(*LOG_STD_RANGE)
    squares = (2 * log_stds).exp() + means.square() - 1
    return (0.5 * squares - log_stds).sum(dim=1).mean()


def distill_to_random(
    part: Part,
    free: Sequence[Tensor | None],
    draw: Callable[[], Tensor],
    steps: int,
    learning_rate: float,
) -> float:
    """Bring a policy's pre-squashing actions to standard normal ones, by its free weights alone.

    A task begins from a sub-network that the task before has used a part of; made random again, it
    explores (Yang et al. 2023, published code: 20,000 steps on the task before's transitions).

    Args:
        part: an actor with two outputs: means, and logarithms of standard deviations.
        free: for each of its parameters 1 where it may move and 0 where not; None for nowhere.
        draw: returns observations, of shape (batch, inputs).
        steps: gradient steps.
        learning_rate: of an Adam of their own.

    Returns:
        The divergence before the last step; 0 where there is none.
    """
    moved = [
        parameter for parameter, mask in zip(part.parameters, free, strict=True) if mask is not None
    ]
    masks = [mask for mask in free if mask is not None]
    gradients = [parameter.grad for parameter in part.parameters]
    optimizer = torch.optim.Adam(moved, lr=learning_rate)
    loss = torch.zeros(())
    for _ in range(steps):
        with torch.enable_grad():
            means, log_stds = outputs_with(part, part.parameters, draw())
            loss = divergence_from_random(means, log_stds)
        found = torch.autograd.grad(loss, moved)
        for parameter, mask, gradient in zip(moved, masks, found, strict=True):
            parameter.grad = gradient * mask
        optimizer.step()
    for parameter, before in zip(part.parameters, gradients, strict=True):
        parameter.grad = before
    return loss.item()
