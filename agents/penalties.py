"""What methods add to the loss, as a function of one flat tensor of parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.func import grad_and_value

from .layers import Part
from .method import Method, overrides


def differentiate(
    function: Callable[[Tensor], tuple[Tensor, Any]], values: Tensor
) -> tuple[Tensor, Tensor, Any]:
    """Return a function's gradient, its value, and what else it returns.

    Args:
        function: returns a scalar, and something that is not differentiated.
        values: where.

    Example:
        >>> gradient, value, rest = differentiate(lambda x: (x.square().sum(), "a"), torch.ones(2))
        >>> gradient.tolist(), value.item(), rest
        ([2.0, 2.0], 2.0, 'a')
    """
    if torch.compiler.is_compiling():
        gradient, (value, rest) = grad_and_value(function, has_aux=True)(values)
        return gradient, value, rest
    # The same, which a compiler can't read; without one it takes less time.
    with torch.enable_grad():
        leaf = values.detach().requires_grad_()
        value, rest = function(leaf)
    (gradient,) = torch.autograd.grad(value, leaf)
    return gradient, value.detach(), rest


@final
@dataclass(frozen=True)
class Penalties:
    """The methods that regularize parts whose parameters lie in one flat tensor.

    Example:
        >>> from everlearn.agents.plasticity.l2 import L2
        >>> weight = nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> part = Part("actor", (), (), (weight,), torch.optim.Adam([weight]))
        >>> method = L2(coefficient=0.5)
        >>> method.attach([part], seed=0)
        >>> penalties = gather_penalties([method], [part], [weight])
        >>> gradient, total = penalties.differentiate(weight.detach())
        >>> gradient.tolist(), total.item()
        ([1.0, 2.0], 2.5)
    """

    methods: tuple[Method, ...]
    """Those with a `regularize` of their own."""

    parts: tuple[tuple[str, tuple[int, ...]], ...]
    """The name of each part, and the positions of its parameters."""

    shapes: tuple[torch.Size, ...]
    """The shape of each parameter in the flat tensor, in their order."""

    def __bool__(self) -> bool:
        """Say whether there is any method."""
        return bool(self.methods)

    def differentiate(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradient of the sum of all penalties, and the sum.

        Args:
            values: the flat tensor.
        """

        def total(flat: Tensor) -> tuple[Tensor, tuple[()]]:
            # A part that nobody penalizes still needs a gradient, which is 0.
            result = flat.sum() * 0
            for method in self.methods:
                for name, parameters in self._split(flat):
                    penalty = method.regularize(name, parameters)
                    if penalty is not None:
                        result = result + penalty
            return result, ()

        gradient, value, _ = differentiate(total, values)
        return gradient, value

    def track(self, values: Tensor) -> None:
        """Let the methods follow the parameters after a step.

        Args:
            values: the flat tensor.
        """
        for method in self.methods:
            if overrides(method, "track"):
                for name, parameters in self._split(values):
                    method.track(name, parameters)

    def _split(self, values: Tensor) -> list[tuple[str, list[Tensor]]]:
        pieces = values.split([shape.numel() for shape in self.shapes])
        each = [piece.view(shape) for piece, shape in zip(pieces, self.shapes, strict=True)]
        return [(name, [each[i] for i in positions]) for name, positions in self.parts]


def gather_penalties(
    methods: Sequence[Method], parts: Sequence[Part], parameters: Sequence[nn.Parameter]
) -> Penalties:
    """Return what an agent's methods add to the loss of some of its parts.

    Args:
        methods: all of the agent's.
        parts: those whose loss is meant.
        parameters: those in the flat tensor, in its order.
    """
    positions = {id(parameter): position for position, parameter in enumerate(parameters)}
    return Penalties(
        tuple(method for method in methods if overrides(method, "regularize")),
        tuple((part.name, tuple(positions[id(p)] for p in part.parameters)) for part in parts),
        tuple(parameter.shape for parameter in parameters),
    )
