"""Adam that does not go where the gradient points against it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..adam import require_known
from ..flat_adam import AdamSettings
from ..flat_optimizer import FlatOptimizer
from ..method import Method


@final
@dataclass(eq=False, repr=False)
class Cautious(Method):
    """Adam with a cautious mask (Liang et al., "Cautious optimizers" (2024), Algorithm 2).

    An element of Adam's step counts only where its sign agrees with the gradient's; what is left of
    a tensor is multiplied by its size over the number of elements left plus 1. (A tensor of one
    element hence moves at half the rate.) Weight decay is decoupled, as in AdamW. The policy's
    `optimizer_kwargs` hold; SAC's temperature keeps its own Adam. `lion` has a setting for the same
    mask.

    The code is ours: pytorch-optimizer has the mask for Lion but not for Adam, and the authors'
    `c_adamw.py` once took the momentum for the gradient, which masks nothing. Weights that another
    method resets step like a fresh Adam's.

    Example:
        >>> weight = nn.Parameter(torch.zeros(3))
        >>> adam = Cautious().optimizer([weight], 0.5, {})
        >>> weight.grad = torch.tensor([1.0, -1.0, 1.0])
        >>> _ = adam.step()
        >>> weight.data
        tensor([-0.3750,  0.3750, -0.3750])
    """

    name: ClassVar[str] = "cautious"

    def optimizer(
        self, parameters: Iterable[nn.Parameter], learning_rate: float, settings: Mapping[str, Any]
    ) -> Optimizer:
        """Return the optimizer.

        Raises:
            SettingsError: the policy's `optimizer_kwargs` have more than our Adam.
        """
        require_known(self.name, settings)
        return CautiousAdam(parameters, learning_rate, **settings)


@final
class CautiousAdam(FlatOptimizer):
    """The optimizer of `Cautious`.

    Args:
        params: the parameters.
        lr: the learning rate.
        betas: as Adam's.
        eps: as Adam's.
        weight_decay: decoupled.
        decoupled_weight_decay: weight decay is decoupled in any case.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = True,
    ) -> None:
        super().__init__(params, lr, AdamSettings(betas, eps, 0.0), weight_decay)

    def change(self, gradient: Tensor, direction: Tensor) -> None:
        """Keep Adam's direction where it agrees with the gradient, each tensor scaled up."""
        direction.mul_(gradient.mul_(direction).gt_(0))
        counts = torch.stack([piece.sum() for piece in self.pieces["gradient"]])
        sizes = counts.new_tensor([parameter.numel() for parameter in self.moving])
        torch._foreach_mul_(self.pieces["direction"], list((sizes / (counts + 1)).unbind()))
