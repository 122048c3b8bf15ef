"""How much of a gradient is left: pure functions of gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

GRADIENT_DORMANT_THRESHOLD = 0.05
"""Share of the mean below which a unit's gradient is dormant (code of Ji et al. 2024)."""


def gradient_dormant_fraction(
    gradient: Tensor, threshold: float = GRADIENT_DORMANT_THRESHOLD
) -> float:
    """Return the share of units that hardly learn: ACE's gradient dormancy.

    Ji et al., "ACE: off-policy actor-critic with causality-aware entropy regularization" (2024).
    A unit's gradient is the L2 norm of that of its incoming weights; it is dormant when it is
    less than the threshold times the mean over the layer's units.

    Args:
        gradient: of a linear map's weight, of shape (outputs, inputs).
        threshold: share of the mean, 0 or more.

    Returns:
        From 0 to 1; 0 where all gradients are 0, since then none is less than the mean, and NaN
        where there are none or one is not finite.

    Example:
        >>> gradient_dormant_fraction(torch.tensor([[3.0, 4.0], [0.0, 0.1]]))
        0.5
    """
    lengths = torch.linalg.vector_norm(gradient.detach().double(), dim=1)
    if lengths.numel() == 0 or not bool(torch.isfinite(lengths).all()):
        return math.nan
    return int(torch.count_nonzero(lengths < threshold * lengths.mean())) / len(lengths)


def zero_fraction(gradients: Sequence[Tensor]) -> float:
    """Return the share of elements that are exactly 0.

    Args:
        gradients: tensors of any shape.

    Returns:
        From 0 to 1, or NaN where there are no elements.

    Example:
        >>> zero_fraction([torch.tensor([0.0, 2.0]), torch.tensor([[1.0, 0.0]])])
        0.5
    """
    count = sum(gradient.numel() for gradient in gradients)
    other = sum(int(torch.count_nonzero(gradient)) for gradient in gradients)
    return 1 - other / count if count else math.nan
