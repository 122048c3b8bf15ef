"""Parseval regularization: the rows of weight matrices are kept orthogonal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from ..layers import Part
from ..method import Method


@final
@dataclass(eq=False, repr=False)
class Parseval(Method):
    """The distance of each hidden layer's weights to orthogonal rows is added to the loss.

    Chung et al., "Parseval regularization for continual reinforcement learning" (2024): the
    squared Frobenius norm of W Wᵀ - s I, for each hidden layer; output layers are left alone.
    Where a layer has more units than inputs its rows can't all be orthogonal, and a part of the
    penalty always stays.

    Example:
        >>> Parseval(scale=2.0)
        Parseval(coefficient=0.001, scale=2.0)
    """

    name: ClassVar[str] = "parseval"

    coefficient: float = 1e-3
    """Weight of the penalty (1e-3, as in the library Plasticine)."""

    scale: float = 1.0
    """Squared length that a row shall have, more than 0 (1, as in the library Plasticine)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("coefficient", self.coefficient >= 0, "0 or more")
        self.require("scale", self.scale > 0, "more than 0")

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Note which parameters are hidden layers' weights."""
        self._places = {
            part.name: part.places(layer.incoming.weight for layer in part.hidden) for part in parts
        }

    def regularize(self, name: str, parameters: Sequence[Tensor]) -> Tensor | None:
        """Return the penalty."""
        weights = [parameters[place] for place in self._places[name]]
        if self.coefficient == 0 or not weights:
            return None
        distances = [
            weight @ weight.T - self.scale * torch.eye(len(weight), dtype=weight.dtype)
            for weight in weights
        ]
        squares = [distance.square().sum() for distance in distances]
        return self.coefficient * torch.stack(squares).sum()
