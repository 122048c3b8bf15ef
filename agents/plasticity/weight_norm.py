"""Weight normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from ..bodies import hidden_maps, network_bodies
from ..method import Method


@final
@dataclass(eq=False, repr=False)
class WeightNorm(Method):
    """Length and direction of each hidden unit's incoming weights are learned apart.

    Salimans and Kingma, "Weight normalization" (2016): w = g v / |v|, by torch's own
    parametrization; the network begins as the function it was. Output layers are left alone. The
    fast back ends can't write such weights as parameters and fall back to the reference; methods
    that set or penalize weight matrices refuse to work with it, and those that change the number
    of units must stand before it.

    Example:
        >>> network = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
        >>> WeightNorm().network(network)
        >>> [name for name, _ in network[0].named_parameters()]
        ['bias', 'parametrizations.weight.original0', 'parametrizations.weight.original1']
    """

    name: ClassVar[str] = "weight-norm"

    def network(self, policy: nn.Module) -> None:
        """Split the weights."""
        for body in network_bodies(policy):
            for linear in hidden_maps(body):
                weight_norm(linear)
