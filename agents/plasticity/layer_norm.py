"""Layer norm before each hidden activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import nn

from ..bodies import insert_norms, network_bodies
from ..method import Method


@final
@dataclass(eq=False, repr=False)
class LayerNorm(Method):
    """A layer norm stands between each hidden linear map and its activation.

    Ba et al., "Layer normalization" (2016); before the activation, as Lyle et al., "Understanding
    plasticity in neural networks" (2023) recommend. For SAC, the agent's own argument `layer_norm`
    does the same, for the critics alone if asked.

    Example:
        >>> network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> LayerNorm(affine=False).network(network)
        >>> type(network[1]).__name__, network[1].elementwise_affine
        ('LayerNorm', False)
    """

    name: ClassVar[str] = "layer-norm"
    brings: ClassVar[str | None] = "normalization"

    affine: bool = True
    """Whether each unit has a scale and an offset that are learned (Ba et al. 2016: yes)."""

    def network(self, policy: nn.Module) -> None:
        """Put the norms in."""
        for body in network_bodies(policy):
            insert_norms(body, lambda width: nn.LayerNorm(width, elementwise_affine=self.affine))
