"""Low-rank adapters: what is added to frozen weight matrices, as buffers of a method."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..flat_adam import MOMENTS, AdamSettings

ADAM = AdamSettings((0.9, 0.999), 1e-8, 0.0)
"""What trains adapters (torch's defaults)."""


def draw_adapters(
    shapes: Sequence[torch.Size], rank: int, generator: torch.Generator | None
) -> Tensor:
    """Return fresh adapters of some weight matrices, in one flat tensor.

    Hu et al., "LoRA" (2022): a matrix W becomes W + B A, with A of shape (rank, inputs) drawn
    uniformly within 1 / sqrt(inputs), as for the weights of a linear map, and B of shape (outputs,
    rank), which is 0: at first nothing is added.

    Args:
        shapes: the matrices', (outputs, inputs).
        rank: of the adapters.
        generator: draws them.

    Example:
        >>> flat = draw_adapters([torch.Size([4, 3])], rank=2, generator=None)
        >>> flat.shape, adapted(flat, [torch.ones(4, 3)], rank=2)[0].equal(torch.ones(4, 3))
        (torch.Size([14]), True)
    """
    pieces: list[Tensor] = []
    for outputs, inputs in shapes:
        bound = 1 / math.sqrt(inputs)
        pieces.append(torch.rand(rank * inputs, generator=generator) * 2 * bound - bound)
        pieces.append(torch.zeros(outputs * rank))
    return torch.cat(pieces)


def adapted(flat: Tensor, base: Sequence[Tensor], rank: int) -> list[Tensor]:
    """Return weight matrices with their adapters added.

    Args:
        flat: from `draw_adapters`.
        base: the frozen matrices, in the same order.
        rank: of the adapters.
    """
    pairs = _pairs(flat, [weight.shape for weight in base], rank)
    return [weight + second @ first for weight, (first, second) in zip(base, pairs, strict=True)]


def adapter_gradient(flat: Tensor, gradients: Sequence[Tensor], rank: int) -> Tensor:
    """Return the gradient in adapters, from those in the matrices that they are added to.

    With G that in W + B A, it is B^T G in A and G A^T in B.

    Args:
        flat: from `draw_adapters`.
        gradients: of each matrix's shape, in the same order.
        rank: of the adapters.
    """
    pairs = _pairs(flat, [gradient.shape for gradient in gradients], rank)
    pieces: list[Tensor] = []
    for gradient, (first, second) in zip(gradients, pairs, strict=True):
        pieces += [(second.T @ gradient).reshape(-1), (gradient @ first.T).reshape(-1)]
    return torch.cat(pieces)


def step_adapters(
    flat: Tensor, memory: Sequence[Tensor], gradient: Tensor, rate: float, step: int
) -> None:
    """Make a step of Adam.

    Args:
        flat: changed in place.
        memory: Adam's two averages, changed in place.
        gradient: from `adapter_gradient`.
        rate: the step size.
        step: which one it is, from 1.
    """
    weights = [1 - beta**step for beta in ADAM.betas]
    ADAM.step(flat, dict(zip(MOMENTS, memory, strict=True)), gradient, rate, weights)


def _pairs(flat: Tensor, shapes: Sequence[torch.Size], rank: int) -> list[tuple[Tensor, Tensor]]:
    sizes = [size for outputs, inputs in shapes for size in (rank * inputs, outputs * rank)]
    pieces = iter(flat.split(sizes))
    return [
        (next(pieces).view(rank, inputs), next(pieces).view(outputs, rank))
        for outputs, inputs in shapes
    ]
