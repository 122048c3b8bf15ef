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

Layers = Sequence[tuple[Tensor, Tensor]]
"""Weights, of shape (inputs, outputs), and biases of a perceptron."""

Networks = Mapping[str, Layers]
"""Perceptrons by name."""


def answer(layers: Layers, inputs: Tensor) -> Tensor:
    """Return what a perceptron answers.

    Args:
        layers: its weights and biases.
        inputs: of shape (batch, inputs).
    """
    *hidden, (last, offset) = layers
    for weight, bias in hidden:
        inputs = torch.addmm(bias, inputs, weight).relu_()
    return torch.addmm(offset, inputs, last)


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
        >>> def loss(split):
        ...     return (answer(split["line"], inputs) - 2 * inputs - 1).square().mean()
        >>> for _ in range(300):
        ...     networks.learn(loss)
        >>> line = networks.split(networks.values)["line"]
        >>> answer(line, inputs).round(decimals=2).flatten().tolist()
        [1.0, 3.0]
    """

    values: Tensor
    steps: Tensor

    def __init__(
        self, widths: Mapping[str, Sequence[int]], learning_rate: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        self._learning_rate = learning_rate
        self._layers = {name: list(pairwise(sizes)) for name, sizes in widths.items()}
        layers = [layer for own in self._layers.values() for layer in own]
        self._sizes = [size for n, m in layers for size in (n * m, m)]
        # As torch's own linear maps: uniform, up to 1 / sqrt(inputs).
        drawn = [
            (2 * torch.rand((n + 1) * m, generator=generator) - 1) / math.sqrt(n) for n, m in layers
        ]
        self.register_buffer("values", torch.cat(drawn))
        for name in MOMENTS:
            self.register_buffer(name, torch.zeros_like(self.values))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def split(self, values: Tensor) -> Networks:
        """Return all perceptrons' weights and biases, as parts of one flat tensor.

        Args:
            values: such as those of this object.
        """
        # All at once: single slices would each have a gradient as long as the whole.
        pieces = iter(values.split(self._sizes))
        return {
            name: [(next(pieces).view(layer), next(pieces)) for layer in layers]
            for name, layers in self._layers.items()
        }

    @torch.no_grad()
    def learn(self, loss: Callable[[Networks], Tensor]) -> None:
        """Make a gradient step.

        Args:
            loss: a scalar, as a function of all perceptrons.
        """

        def of_values(values: Tensor) -> tuple[Tensor, Any]:
            return loss(self.split(values)), None

        gradient, _, _ = differentiate(of_values, self.values)
        self.steps += 1
        steps = int(self.steps)
        memory = {name: getattr(self, name) for name in MOMENTS}
        weights = [1 - beta**steps for beta in ADAM.betas]
        ADAM.step(self.values, memory, gradient, self._learning_rate, weights)
