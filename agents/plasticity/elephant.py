"""Elephant activation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import nn

from ..activations import Elephant as Activation
from ..bodies import hidden_maps, network_bodies, replace_activations
from ..method import Method


@final
@dataclass(eq=False, repr=False)
class Elephant(Method):
    """Hidden units answer to a narrow range of inputs only, and learn from no others.

    Lan and Mahmood, "Elephant neural networks: born to be a continual learner" (2023): the output
    is 1 / (1 + |x / width|**power). Their later code (qlan3/Elephant) puts a layer norm before it,
    as `layer-norm` beside this method does, and spreads the units' biases evenly, as here; it also
    learns width and height for each unit, which is not offered here.

    Example:
        >>> network = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
        >>> Elephant(width=0.5).network(network)
        >>> network[1]
        Elephant(width=0.5, power=4)
    """

    name: ClassVar[str] = "elephant"
    brings: ClassVar[str | None] = "activation"

    width: float = 0.8
    """Input at which a unit's output is half of its largest, more than 0 (their PPO: 0.8)."""

    power: int = 4
    """How steep the sides are, 1 or more (their default: 4)."""

    bias_deviation: float = 1.0
    """Standard deviation of the first biases, 0 or more; 0 leaves them alone (their PPO: 1)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("width", self.width > 0, "more than 0")
        self.require("power", self.power >= 1, "1 or more")
        self.require("bias_deviation", self.bias_deviation >= 0, "0 or more")

    def network(self, policy: nn.Module) -> None:
        """Replace the activations, and spread the biases."""
        bound = math.sqrt(3) * self.bias_deviation
        for body in network_bodies(policy):
            replace_activations(body, lambda: Activation(self.width, self.power))
            for linear in hidden_maps(body):
                if linear.bias is not None and bound > 0:
                    with torch.no_grad():
                        linear.bias.copy_(torch.linspace(-bound, bound, linear.out_features))
