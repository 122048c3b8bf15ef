"""CReLU: concatenated rectified linear units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import nn

from ..activations import CReLU as Activation
from ..bodies import network_bodies, replace_activations
from ..method import Method


@final
@dataclass(eq=False, repr=False)
class CReLU(Method):
    """Hidden units have the two outputs max(x, 0) and max(-x, 0), one of which is never silent.

    Shang et al. (2016); as a way to keep plasticity, Abbas et al., "Loss of plasticity in continual
    deep reinforcement learning" (2023). `net_arch` counts outputs, so that a layer of 64 has 32
    units and what comes after it stays as large as it was; ask for twice as many to keep the number
    of units. Methods that replace single units refuse to work with it.

    Example:
        >>> network = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
        >>> CReLU().network(network)
        >>> network
        Sequential(
          (0): Linear(in_features=3, out_features=4, bias=True)
          (1): CReLU()
          (2): Linear(in_features=8, out_features=2, bias=True)
        )
    """

    name: ClassVar[str] = "crelu"
    brings: ClassVar[str | None] = "activation"

    def network(self, policy: nn.Module) -> None:
        """Replace the activations, and keep every second unit."""
        for body in network_bodies(policy):
            replace_activations(body, Activation, outputs=2)
