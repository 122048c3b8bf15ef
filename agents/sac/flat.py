"""Between SB3's objects and the tensors of SAC's update."""

from __future__ import annotations

import torch
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from torch import Tensor

from ..parameters import FlatParameters
from .losses import Batch


def take_batch(samples: ReplayBufferSamples, gamma: float, dtype: torch.dtype) -> Batch:
    """Return transitions from a replay buffer of stable-baselines3.

    Args:
        samples: with columns of shape (batch, 1).
        gamma: the discount where the samples bring none.
        dtype: what numbers are to be.
    """
    rewards = samples.rewards.flatten().to(dtype)
    discounts = samples.discounts
    return Batch(
        samples.observations.flatten(start_dim=1).to(dtype),
        samples.actions.to(dtype),
        samples.next_observations.flatten(start_dim=1).to(dtype),
        samples.dones.flatten().to(dtype),
        rewards,
        torch.full_like(rewards, gamma) if discounts is None else discounts.flatten().to(dtype),
    )


def adopt(flat: FlatParameters) -> None:
    """Take over what others put in place of a flat tensor's views.

    Args:
        flat: where nothing has changed, this takes no time.
    """
    if not flat.held:
        flat.adopt()


def count_step(flat: FlatParameters) -> Tensor:
    """Count a step of Adam, and return its step size and its two bias corrections.

    Args:
        flat: what is to make the step.
    """
    flat.steps += 1
    group = flat.optimizer.param_groups[0]
    beta1, beta2 = group["betas"]
    numbers = [group["lr"], 1 - beta1**flat.steps, 1 - beta2**flat.steps]
    return torch.tensor(numbers, dtype=torch.float64)
