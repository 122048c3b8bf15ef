"""Parameters that a gradient step is not to move, with what the optimizer knows of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..adam import Adam


@final
class Held:
    """Remembers parameters and the optimizer's memory of them, and puts both back.

    One optimizer serves two sets of parameters that take turns, as if each had its own.

    Args:
        parameters: what is to be held.
        optimizer: theirs.

    Example:
        >>> weight = nn.Parameter(torch.ones(2))
        >>> optimizer = torch.optim.Adam([weight])
        >>> held = Held([weight], optimizer)
        >>> weight.grad = torch.ones(2)
        >>> _ = optimizer.step()
        >>> held.put_back()
        >>> weight.tolist(), len(optimizer.state[weight])
        ([1.0, 1.0], 0)
    """

    def __init__(self, parameters: Sequence[nn.Parameter], optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._kept: list[tuple[nn.Parameter, Tensor, dict[str, Tensor]]] = []
        for parameter in parameters:
            if isinstance(optimizer, Adam):
                # Resets no element, but lets each have a number of steps of its own.
                optimizer.reset(parameter, slice(0, 0))
            state = optimizer.state.get(parameter, {})
            tensors = {k: v.clone() for k, v in state.items() if _is_memory(v, parameter)}
            self._kept.append((parameter, parameter.detach().clone(), tensors))

    @torch.no_grad()
    def put_back(self) -> None:
        """Undo what has happened to the parameters since."""
        for parameter, value, tensors in self._kept:
            parameter.copy_(value)
            state = self._optimizer.state[parameter]
            if tensors:
                for name, tensor in tensors.items():
                    state[name].copy_(tensor)
            elif isinstance(self._optimizer, Adam):
                self._optimizer.reset(parameter, ...)
            else:
                state.clear()


def _is_memory(value: object, parameter: nn.Parameter) -> bool:
    return isinstance(value, Tensor) and value.shape == parameter.shape
