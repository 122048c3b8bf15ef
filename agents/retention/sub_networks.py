"""Weights that belong to tasks: which of a policy's may move, and what the others are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..layers import Part


def matrices(part: Part) -> tuple[int, ...]:
    """Return the places of the weight matrices that all tasks share.

    Args:
        part: the policy; what each task has of its own (`multi-head`) is left out.
    """
    shared = _shared(part)
    return tuple(place for place in shared if part.parameters[place].ndim >= 2)


def vectors(part: Part) -> tuple[int, ...]:
    """Return the places of biases, norms and spreads that all tasks share.

    Args:
        part: the policy; what each task has of its own (`multi-head`) is left out.
    """
    shared = _shared(part)
    return tuple(place for place in shared if part.parameters[place].ndim < 2)


def keep_largest(weights: Tensor, among: Tensor, share: float) -> Tensor:
    """Return where the largest magnitudes are.

    Args:
        weights: of any shape.
        among: which of them are asked, of the same shape.
        share: how many of those are kept, from 0 to 1; rounded to the nearest number.

    Returns:
        True where a weight is kept, of the same shape.

    Example:
        >>> keep_largest(torch.tensor([3.0, -2.0, 1.0, 9.0]), torch.tensor([1, 1, 1, 0]) > 0, 1 / 3)
        tensor([ True, False, False, False])
    """
    number = round(share * int(among.sum()))
    magnitudes = torch.where(among, weights.abs(), -torch.ones_like(weights)).reshape(-1)
    kept = torch.zeros_like(among).reshape(-1)
    kept[torch.topk(magnitudes, number, sorted=False).indices] = True
    return kept.view(among.shape)


def put_back(
    parameters: Sequence[Tensor], movable: Sequence[Tensor], kept: Sequence[Tensor]
) -> None:
    """Set what must not move to what it is to be, bit for bit, whatever an optimizer has done.

    Args:
        parameters: changed in place.
        movable: True where a step counts, each of its parameter's shape.
        kept: what the others are.

    Example:
        >>> weight = torch.tensor([1.0, 2.0])
        >>> put_back([weight], [torch.tensor([True, False])], [torch.tensor([0.0, 7.0])])
        >>> weight
        tensor([1., 7.])
    """
    for parameter, moves, value in zip(parameters, movable, kept, strict=True):
        parameter.copy_(torch.where(moves, parameter, value))


def _shared(part: Part) -> list[int]:
    return [place for place in range(len(part.parameters)) if place not in part.by_task]
