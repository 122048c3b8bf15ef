"""NaP: normalize and project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor, nn

from ..bodies import NORMS, hidden_maps, insert_norms, network_bodies
from ..layers import HiddenLayer, Part
from ..method import Method


@final
@dataclass(eq=False, repr=False)
class NaP(Method):
    """Hidden units are normalised, and after each step their weights get back their first norm.

    Lyle et al., "Normalization and effective learning rates in reinforcement learning" (2024). With
    a normalisation before each activation the length of a layer's weights has no effect but on the
    size of steps relative to it; projection keeps that size as the learning rate says. Output
    layers are not projected. The paper finds that a learning rate should then fall by a schedule.
    The optimizer's memory is left alone, and other methods that set weights should stand before
    this one.

    With `affine`, the scale and offset of a layer's units are projected to their first joint norm,
    and biases go, which the offset makes redundant. Biases that stay are projected together with
    the weights, so that their length has no effect whatever.

    Example:
        >>> network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> NaP().network(network)
        >>> type(network[1]).__name__, network[1].elementwise_affine
        ('LayerNorm', False)
    """

    name: ClassVar[str] = "nap"
    brings: ClassVar[str | None] = "normalization"

    norm: Literal["layer", "rms"] = "layer"
    """Layer norm, or RMS norm, which does not subtract the mean (the paper uses either)."""

    affine: bool = False
    """Whether each unit has a learned scale, and with layer norm an offset (the paper: both)."""

    def network(self, policy: nn.Module) -> None:
        """Put the norms in, and take out biases that they make redundant."""
        kind: Any = {"layer": nn.LayerNorm, "rms": nn.RMSNorm}[self.norm]
        for body in network_bodies(policy):
            insert_norms(body, lambda width: kind(width, elementwise_affine=self.affine))
            if self.affine and self.norm == "layer":
                for linear in hidden_maps(body):
                    linear.bias = None  # type: ignore[assignment]

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Remember the first norms."""
        self._groups: dict[str, list[list[Tensor]]] = {}
        for part in parts:
            groups = [group for layer in part.hidden for group in self._group(layer)]
            for group in groups:
                part.places(group)
            self._groups[part.name] = groups
            norms = [_norm(group) for group in groups]
            first = torch.stack(norms) if norms else torch.empty(0)
            self.register_buffer(f"{part.name}_norms", first.detach())

    def after_step(self, part: Part) -> None:
        """Project."""
        groups = self._groups[part.name]
        for group, first in zip(groups, self.get_buffer(f"{part.name}_norms"), strict=True):
            # Weights that are all 0 have no direction to keep.
            scale = first / _norm(group).clamp(min=1e-12)
            for tensor in group:
                tensor.mul_(scale)

    def _group(self, layer: HiddenLayer) -> list[list[Tensor]]:
        """Return what is projected together."""
        linear = layer.incoming
        norms: list[Any] = [module for module in layer.between if isinstance(module, NORMS)]
        scales = [tensor for norm in norms for tensor in norm.parameters()]
        weights = [linear.weight, *([] if linear.bias is None else [linear.bias])]
        return [weights, scales] if scales else [weights]


def _norm(tensors: Sequence[Tensor]) -> Tensor:
    return torch.linalg.vector_norm(torch.cat([tensor.reshape(-1) for tensor in tensors]))
