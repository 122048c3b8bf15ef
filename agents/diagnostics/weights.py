"""How large weights are and how far they move: pure functions of tensors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


def weight_norm(weights: Iterable[Tensor]) -> float:
    """Return the L2 norm of all elements of all weights together.

    Args:
        weights: tensors of any shape.

    Returns:
        The norm, 0 where there are no weights.

    Example:
        >>> weight_norm([torch.tensor([3.0]), torch.tensor([[4.0]])])
        5.0
    """
    squares = [weight.detach().double().square().sum() for weight in weights]
    return math.sqrt(torch.stack(squares).sum().item()) if squares else 0.0


def weight_magnitude(weights: Sequence[Tensor]) -> float:
    """Return the mean magnitude of the elements of all weights together (Dohare et al. 2024).

    Args:
        weights: tensors of any shape.

    Returns:
        The mean, NaN where there are no elements.

    Example:
        >>> weight_magnitude([torch.tensor([3.0]), torch.tensor([[-4.0, 2.0]])])
        3.0
    """
    count = sum(weight.numel() for weight in weights)
    return _sum_of_magnitudes(weights) / count if count else math.nan


def weight_change(before: Sequence[Tensor], after: Sequence[Tensor]) -> float:
    """Return the sum over all weights of how far each moved (Dohare et al. 2024, Extended Fig. 5).

    Args:
        before: the weights before.
        after: the same weights after, in the same order.

    Returns:
        The sum of magnitudes, 0 where there are no weights.

    Example:
        >>> weight_change([torch.tensor([3.0, 1.0])], [torch.tensor([2.5, 1.5])])
        1.0
    """
    moved = [new.detach() - old for old, new in zip(before, after, strict=True)]
    return _sum_of_magnitudes(moved)


def effective_learning_rate(learning_rate: float, weight: Tensor) -> float:
    """Return the step size of an optimizer like Adam relative to a weight matrix.

    Where a normalisation follows a linear map, only the direction of its weights counts, and a
    step turns it by the step's length over the weights'. Adam's steps have a length in proportion
    to the learning rate, whatever the gradient, so that this is the learning rate over the norm;
    for plain gradient descent it would be over its square (van Laarhoven, "L2 regularization
    versus batch and weight normalization" (2017); Lyle et al., "Normalization and effective
    learning rates in reinforcement learning" (2024)).

    Args:
        learning_rate: the optimizer's.
        weight: the matrix.

    Returns:
        0 or more; infinity where all weights are 0.

    Example:
        >>> effective_learning_rate(0.5, torch.tensor([[3.0, 4.0]]))
        0.1
    """
    norm = weight_norm([weight])
    return learning_rate / norm if norm else math.inf


def _sum_of_magnitudes(tensors: Iterable[Tensor]) -> float:
    sums = [tensor.detach().double().abs().sum() for tensor in tensors]
    return torch.stack(sums).sum().item() if sums else 0.0
