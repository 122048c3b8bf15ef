"""How many directions a layer's outputs use: pure functions of their singular values.

The literature gives one name to several of these. Here "stable rank" is the textbook's, and what
Kumar et al. and the code of Dohare et al. log as it is `srank`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LEFT_OUT = 0.01
"""Share of the sum that the directions left out may have (Kumar et al. 2021: delta = 0.01)."""


def singular_values(features: Tensor) -> Tensor:
    """Return the singular values of a matrix, largest first, in double precision.

    Args:
        features: a matrix, such as units' outputs of shape (batch, width); it is not centred.

    Returns:
        As many as the smaller side has elements: none for a matrix without elements, and all NaN
        where an element is not finite.

    Example:
        >>> singular_values(torch.diag(torch.tensor([1.0, 3.0])))
        tensor([3., 1.], dtype=torch.float64)
    """
    matrix = features.detach().double()
    if matrix.numel() == 0:
        return matrix.new_zeros(0)
    if not bool(torch.isfinite(matrix).all()):
        return matrix.new_full((min(matrix.shape),), math.nan)
    if matrix.shape[0] < matrix.shape[1]:
        matrix = matrix.T
    # Several times faster than a decomposition of the matrix itself. Squared, values below 1e-8 of
    # the largest are lost, but so they are in features of single precision.
    return torch.linalg.eigvalsh(matrix.T @ matrix).clamp(min=0).sqrt().flip(0)


def effective_rank(values: Tensor) -> float:
    """Return the effective rank (Roy and Vetterli 2007, Definition 1).

    It is the exponential of the entropy of the singular values, divided by their sum.

    Args:
        values: singular values.

    Returns:
        From 1 to the number of values; 0 where all are 0 or there are none, NaN where one is.

    Example:
        >>> effective_rank(torch.ones(4))
        4.0
    """
    if _nothing(values):
        return 0.0
    return torch.exp(torch.special.entr(values / values.sum()).sum()).item()


def srank(values: Tensor, left_out: float = LEFT_OUT) -> float:
    """Return how many singular values have all but a small share of their sum.

    Kumar et al., "Implicit under-parameterization inhibits data-efficient deep reinforcement
    learning" (2021), section 3; the values are not squared.

    Args:
        values: singular values, largest first.
        left_out: share of the sum that the others may have.

    Returns:
        From 1 to the number of values; 0 where all are 0 or there are none, NaN where one is.

    Example:
        >>> srank(torch.tensor([10, 5, 1, 0.5, 0.1, 0.05, 0.01]))
        4.0
    """
    return _count_until(values, left_out)


def approximate_rank(values: Tensor, left_out: float = LEFT_OUT) -> float:
    """Return how many singular values have all but a small share of the sum of squares.

    Yang et al., "Harnessing structures for value-based planning and reinforcement learning"
    (2020): how many directions hold 99 % of the variance.

    Args:
        values: singular values, largest first.
        left_out: share of the sum of squares that the others may have.

    Returns:
        From 1 to the number of values; 0 where all are 0 or there are none, NaN where one is.

    Example:
        >>> approximate_rank(torch.tensor([10, 5, 1, 0.5, 0.1, 0.05, 0.01]))
        2.0
    """
    return _count_until(values.square(), left_out)


def stable_rank(values: Tensor) -> float:
    """Return the stable rank: squared Frobenius norm by squared spectral norm.

    Rudelson and Vershynin, "Sampling from large matrices" (2007).

    Args:
        values: singular values, largest first.

    Returns:
        From 1 to the number of values; 0 where all are 0 or there are none, NaN where one is.

    Example:
        >>> round(stable_rank(torch.tensor([10, 5, 1, 0.5, 0.1, 0.05, 0.01])), 3)
        1.263
    """
    if _nothing(values):
        return 0.0
    return (values / values[0]).square().sum().item()


def numerical_rank(values: Tensor, size: int) -> float:
    """Return how many singular values are more than rounding errors of single precision.

    The bound is numpy's and torch's: the largest value times the machine epsilon times `size`.

    Args:
        values: singular values, largest first.
        size: the matrix's longer side.

    Returns:
        From 1 to the number of values; 0 where all are 0 or there are none, NaN where one is.

    Example:
        >>> numerical_rank(torch.tensor([10, 5, 1, 0.5, 0.1, 0.05, 0.01]), size=7)
        7.0
    """
    if _nothing(values):
        return 0.0
    if bool(values.isnan().any()):
        return math.nan
    bound = values[0] * torch.finfo(torch.float32).eps * size
    return float(torch.count_nonzero(values > bound))


def _nothing(values: Tensor) -> bool:
    return values.numel() == 0 or values[0].item() == 0


def _count_until(amounts: Tensor, left_out: float) -> float:
    if _nothing(amounts):
        return 0.0
    if bool(amounts.isnan().any()):
        return math.nan
    shares = (amounts / amounts.sum()).cumsum(dim=0)
    return float(torch.count_nonzero(shares < 1 - left_out)) + 1
