"""Small perceptrons in one flat tensor with their Adam, all of whose state is saved as buffers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, final

import torch
from torch import Tensor, nn

from ..flat_adam import MOMENTS, AdamSettings
from ..penalties import differentiate

ADAM = AdamSettings((0.9, 0.999), 1e-8, 0.0)
"""As Kingma and Ba (2015)."""


@final
class FlatNetworks(nn.Module):
    """Perceptrons with ReLU units that are trained together.

    Weights begin as torch's own linear maps do, drawn from the generator that is given.

    Args:
        widths: by name the sizes of a perceptron's layers, from the input to the output.
        learning_rate: Adam's.
        generator: draws the weights.

    Example:
        >>> networks = FlatNetworks({"line": (1, 1)}, 0.1, torch.Generator().manual_seed(0))
        >>> inputs = torch.tensor([[0.0], [1.0]])
        >>> def loss(values):
        ...     return (networks.answer(values, "line", inputs) - 2 * inputs - 1).square().mean()
        >>> for _ in range(300):
        ...     networks.learn(loss)
        >>> networks.answer(networks.values, "line", inputs).round(decimals=2).flatten().tolist()
        [1.0, 3.0]
    """

    values: Tensor
    steps: Tensor

    def __init__(
        self, widths: Mapping[str, Sequence[int]], learning_rate: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        self._learning_rate = learning_rate
        self._places: dict[str, list[tuple[slice, slice, int, int]]] = {}
        drawn: list[Tensor] = []
        place = 0
        for name, sizes in widths.items():
            self._places[name] = []
            for inputs, outputs in pairwise(sizes):
                size = (inputs + 1) * outputs
                bias = place + inputs * outputs
                self._places[name].append(
                    (slice(place, bias), slice(bias, place + size), inputs, outputs)
                )
                place += size
                uniform = torch.rand(size, generator=generator)
                drawn.append((2 * uniform - 1) / math.sqrt(max(inputs, 1)))
        self.register_buffer("values", torch.cat(drawn))
        for name in MOMENTS:
            self.register_buffer(name, torch.zeros(place))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def answer(self, values: Tensor, name: str, inputs: Tensor) -> Tensor:
        """Return what a perceptron answers.

        Args:
            values: all perceptrons' parameters, flat.
            name: which.
            inputs: of shape (batch, inputs).
        """
        *hidden, last = self._places[name]
        for weight, bias, n_inputs, n_outputs in hidden:
            matrix = values[weight].view(n_inputs, n_outputs)
            inputs = torch.addmm(values[bias], inputs, matrix).relu()
        weight, bias, n_inputs, n_outputs = last
        return torch.addmm(values[bias], inputs, values[weight].view(n_inputs, n_outputs))

    @torch.no_grad()
    def learn(self, loss: Callable[[Tensor], Tensor]) -> None:
        """Make a gradient step.

        Args:
            loss: a scalar, as a function of all parameters.
        """

        def of_values(values: Tensor) -> tuple[Tensor, Any]:
            return loss(values), None

        gradient, _, _ = differentiate(of_values, self.values)
        self.steps += 1
        steps = int(self.steps)
        memory = {name: getattr(self, name) for name in MOMENTS}
        weights = [1 - beta**steps for beta in ADAM.betas]
        ADAM.step(self.values, memory, gradient, self._learning_rate, weights)
