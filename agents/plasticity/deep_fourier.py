"""Deep Fourier features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import nn

from ..activations import Fourier
from ..bodies import network_bodies, replace_activations
from ..method import Method


@final
@dataclass(eq=False, repr=False)
class DeepFourier(Method):
    """Hidden units have the two outputs sin(x) and cos(x), one of which is always near linear.

    Lewandowski et al., "Plastic learning with deep Fourier features" (2025); they go with a
    regularizer such as `spectral` or `l2`. `net_arch` counts outputs, so that a layer of 64 has 32
    units and what comes after it stays as large as it was; ask for twice as many to keep the number
    of units. Methods that replace single units refuse to work with it.

    Example:
        >>> network = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
        >>> DeepFourier().network(network)
        >>> network[0].out_features, network[1]
        (4, Fourier())
    """

    name: ClassVar[str] = "deep-fourier"
    brings: ClassVar[str | None] = "activation"

    def network(self, policy: nn.Module) -> None:
        """Replace the activations, and keep every second unit."""
        for body in network_bodies(policy):
            replace_activations(body, Fourier, outputs=2)
