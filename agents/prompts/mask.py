"""Which units of a layer are on: a prompt decides, and learns by the straight-through gradient."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

_EPSILON = 1e-6


def activate(prompt: Tensor) -> Tensor:
    """Return 1 where a prompt's coefficient is more than 0, and else 0.

    The gradient is that of the identity where the coefficient is between 0 and 1, and else 0: the
    straight-through gradient of Yang et al., "Continual task allocation in meta-policy network via
    sparse prompting" (2023). What is off thus stays off: learning can only switch units off.

    Args:
        prompt: a sparse code, of shape (width,).

    Example:
        >>> prompt = torch.tensor([-0.2, 0.0, 0.3, 1.5], requires_grad=True)
        >>> activate(prompt).sum().backward()
        >>> activate(prompt).tolist(), prompt.grad.tolist()
        ([0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0])
    """
    active = prompt > 0
    moving = torch.where(active & (prompt < 1), prompt - prompt.detach(), torch.zeros_like(prompt))
    return active.to(prompt) + moving


def mask_units(units: Tensor, prompt: Tensor, normalized: bool) -> Tensor:
    """Switch units off that a prompt does not want.

    Args:
        units: before their activation, of shape (..., width).
        prompt: of shape (width,), or one that broadcasts to the units' shape.
        normalized: whether those that are on are brought to mean 0 and variance 1 of each example,
            as in the first layer of the published code; the others have no part in it.

    Returns:
        Of the units' shape; 0 for those that are off.

    Example:
        >>> units, prompt = torch.tensor([[1.0, 3.0, 8.0]]), torch.tensor([0.5, 0.1, -1.0])
        >>> mask_units(units, prompt, normalized=False).tolist()
        [[1.0, 3.0, 0.0]]
        >>> [round(unit, 3) for unit in mask_units(units, prompt, normalized=True)[0].tolist()]
        [-1.0, 1.0, 0.0]
    """
    mask = activate(prompt)
    masked = units * mask
    if not normalized:
        return masked
    count = mask.sum(dim=-1, keepdim=True).clamp(min=1)
    mean = masked.sum(dim=-1, keepdim=True) / count
    centred = (units - mean) * mask
    variance = centred.square().sum(dim=-1, keepdim=True) / count
    return centred * torch.rsqrt(variance + _EPSILON)


@final
class PromptMask(nn.Module):
    """Switches off units of a layer, by a prompt that is learned.

    Args:
        width: number of units.
        normalized: as for `mask_units`.

    Example:
        >>> mask = PromptMask(3)
        >>> mask(torch.tensor([[1.0, -2.0, 3.0]])).tolist()
        [[1.0, -2.0, 3.0]]
    """

    def __init__(self, width: int, normalized: bool = False) -> None:
        super().__init__()
        self.normalized = normalized
        self.prompt = nn.Parameter(torch.ones(width))
        """The code of the task; before the first one all units are on."""

    def forward(self, units: Tensor) -> Tensor:
        """Return the units, 0 where they are off.

        Args:
            units: before their activation, of shape (..., width).
        """
        return mask_units(units, self.prompt, self.normalized)

    def extra_repr(self) -> str:
        """Return the settings for `repr`."""
        return f"{len(self.prompt)}, normalized={self.normalized}"
