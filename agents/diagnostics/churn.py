"""How far a network's answers to the same questions move: pure functions of its outputs."""

from __future__ import annotations

import torch
from torch import Tensor


def greedy_churn(before: Tensor, after: Tensor) -> float:
    """Return the share of observations whose greedy action changed.

    Schaul et al., "The phenomenon of policy churn" (2022).

    Args:
        before: the actions' logits or values, of shape (batch, actions).
        after: the same later.

    Example:
        >>> greedy_churn(torch.tensor([[1.0, 2.0], [1.0, 2.0]]), torch.tensor([[0.0, 1], [3.0, 2]]))
        0.5
    """
    changed = before.argmax(dim=1) != after.argmax(dim=1)
    return int(torch.count_nonzero(changed)) / len(changed)


def output_churn(before: Tensor, after: Tensor) -> float:
    """Return the mean squared change of outputs: of values, or of mean actions.

    Tang et al., "Mitigating plasticity loss in continual reinforcement learning by reducing churn"
    (2025).

    Args:
        before: of shape (batch, outputs).
        after: the same later.

    Example:
        >>> output_churn(torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, 0.0]]))
        2.5
    """
    return (after.double() - before.double()).square().mean().item()
