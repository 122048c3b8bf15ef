"""Adam over flat tensors, for all back ends but the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .adam import CORRECTIONS, Adam

MOMENTS = ("exp_avg", "exp_avg_sq")
"""What torch's Adam calls its running averages."""

Memory = Mapping[str, Tensor]
"""What Adam knows, in flat tensors that are changed in place."""

KINDS = (torch.optim.Adam, torch.optim.AdamW, Adam)
"""The optimizers whose steps `AdamSettings.step` can make."""

OTHERWISE = ("amsgrad", "maximize", "capturable", "differentiable")
"""Options of torch's Adam with which it is not what `AdamSettings.step` computes."""


@final
@dataclass(frozen=True)
class AdamSettings:
    """What stays the same from step to step of Adam.

    Kingma and Ba, "Adam: A method for stochastic optimization" (2015), Algorithm 1.

    Example:
        >>> values, memory = torch.zeros(2), {name: torch.zeros(2) for name in MOMENTS}
        >>> settings = AdamSettings((0.9, 0.999), 1e-8, 0.0)
        >>> settings.step(values, memory, torch.tensor([2.0, -3.0]), 0.5, (0.1, 0.001))
        >>> values
        tensor([-0.5000,  0.5000])
    """

    betas: tuple[float, float]
    eps: float
    weight_decay: float
    decoupled: bool = False
    """Whether the weight decay shrinks the values, as in AdamW, or adds to the gradient."""

    @classmethod
    def of(cls, optimizer: Optimizer) -> AdamSettings:
        """Return the settings of an optimizer that `steps_flat`.

        Args:
            optimizer: one of `KINDS`.
        """
        group = optimizer.param_groups[0]
        decoupled = bool(group.get("decoupled_weight_decay"))
        return cls(group["betas"], group["eps"], group["weight_decay"], decoupled)

    def step(
        self,
        values: Tensor,
        memory: Memory,
        gradient: Tensor,
        rate: float | Tensor,
        corrections: Sequence[float | Tensor],
    ) -> None:
        """Make one step.

        Args:
            values: flat parameters, changed in place.
            memory: Adam's state, flat.
            gradient: flat.
            rate: the step size.
            corrections: of bias, as `direction` wants them.
        """
        if self.weight_decay != 0:
            if self.decoupled:
                values.mul_(1 - rate * self.weight_decay)
            else:
                gradient = gradient + self.weight_decay * values
        numerator, denominator = self._fraction(memory, gradient, corrections)
        if isinstance(rate, Tensor):
            values.sub_(numerator.div_(denominator).mul_(rate))
        else:
            values.addcdiv_(numerator, denominator, value=-rate)

    def direction(
        self, memory: Memory, gradient: Tensor, corrections: Sequence[float | Tensor]
    ) -> Tensor:
        """Take a gradient into the running averages, and return where a step would go.

        Args:
            memory: Adam's state, flat; with `CORRECTIONS` each element has a bias correction of its
                own.
            gradient: flat.
            corrections: of bias: 1 - beta**steps of either decay. Where each element has its own in
                the memory, these are not read.
        """
        numerator, denominator = self._fraction(memory, gradient, corrections)
        return numerator.div_(denominator)

    def _fraction(
        self, memory: Memory, gradient: Tensor, corrections: Sequence[float | Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return the direction as a numerator and a denominator, after `direction`'s arguments."""
        mean, square = (memory[name] for name in MOMENTS)
        beta1, beta2 = self.betas
        mean.lerp_(gradient, 1 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        # (mean / c1) / (sqrt(square / c2) + eps), expanded, since divisions are what takes time.
        if CORRECTIONS[0] in memory:
            one = mean.new_ones(())
            c1, c2 = (
                memory[name].lerp_(one, 1 - beta)
                for name, beta in zip(CORRECTIONS, self.betas, strict=True)
            )
            return mean * c2, (square * c2).sqrt_().add_(c2, alpha=self.eps).mul_(c1)
        scale = corrections[1] ** 0.5
        return mean * (scale / corrections[0]), square.sqrt().add_(scale * self.eps)


def steps_flat(optimizer: Optimizer, parameters: Sequence[nn.Parameter]) -> bool:
    """Return whether `AdamSettings.step` computes what an optimizer would.

    Args:
        optimizer: any.
        parameters: in the order in which they lie in the flat tensors.

    Example:
        >>> weight = nn.Parameter(torch.zeros(2))
        >>> steps_flat(Adam([weight]), [weight]), steps_flat(torch.optim.SGD([weight]), [weight])
        (True, False)
    """
    if type(optimizer) not in KINDS or len(optimizer.param_groups) > 1:
        return False
    group: dict[str, Any] = optimizer.param_groups[0]
    if [id(member) for member in group["params"]] != [id(member) for member in parameters]:
        return False
    return not any(group.get(option) for option in OTHERWISE)


def why_optimizer(optimizer: Optimizer, parameters: Sequence[nn.Parameter]) -> str | None:
    """Return why an optimizer can't be used with flat tensors, or None.

    Args:
        optimizer: any; one that does not step flat makes its own steps.
        parameters: that it should optimize.
    """
    grouped = [id(member) for group in optimizer.param_groups for member in group["params"]]
    if sorted(grouped) != sorted(id(parameter) for parameter in parameters):
        return "an optimizer of other parameters"
    return None
