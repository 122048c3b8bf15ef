"""V-trace: values and advantages from actions that an earlier policy has chosen."""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor


@final
class VTrace(NamedTuple):
    """What a sequence of steps teaches, of shape (steps - 1, batch)."""

    values: Tensor
    """What the critic is to say."""

    advantages: Tensor
    """Weights of the policy gradient, the importance of each action included."""


def v_trace(
    log_ratios: Tensor, rewards: Tensor, values: Tensor, ends: Tensor, gamma: float
) -> VTrace:
    """Return the targets of V-trace, with importances clipped at 1.

    Espeholt et al., "IMPALA" (2018), equation 1 and section 4.2, with both thresholds 1. The last
    step of a sequence only tells its value.

    Args:
        log_ratios: logarithms of how much likelier each action is now, of shape (steps, batch).
        rewards: of the same shape.
        values: the critic's now, of the same shape.
        ends: 1 where the episode ended with the step, of the same shape.
        gamma: discount factor.

    Example:
        >>> step = torch.ones(3, 1)
        >>> v_trace(0 * step, step, 10 * step, 0 * step, gamma=0.5).values.flatten().tolist()
        [4.0, 6.0]
    """
    importance = log_ratios.exp().clamp(max=1.0)
    discounts = gamma * (1 - ends)
    changes = importance[:-1] * (rewards[:-1] + discounts[:-1] * values[1:] - values[:-1])
    correction = torch.zeros_like(values[0])
    corrections: list[Tensor] = []
    for step in reversed(range(len(changes))):
        correction = changes[step] + discounts[step] * importance[step] * correction
        corrections.append(correction)
    targets = values[:-1] + torch.stack(corrections[::-1])
    following = torch.cat([targets[1:], values[-1:]])
    advantages = importance[:-1] * (rewards[:-1] + discounts[:-1] * following - values[:-1])
    return VTrace(targets, advantages)
