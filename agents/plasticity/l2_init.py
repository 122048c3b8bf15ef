"""L2 towards the initial weights: regenerative regularization."""

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
class L2Init(Method):
    """The squared distance of all weights and biases to their initial values is added to the loss.

    Kumar et al., "Maintaining plasticity in continual learning via regenerative regularization"
    (2023), equation 1. It is a part of the loss, so that Adam rescales its gradient. The standard
    deviation of PPO's actions is no weight, and left alone.

    Example:
        >>> L2Init(coefficient=1e-2)
        L2Init(coefficient=0.01)
    """

    name: ClassVar[str] = "l2-init"

    coefficient: float = 1e-3
    """Weight of the penalty (within the grid 1e-2 to 1e-5 of Kumar et al. 2023)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("coefficient", self.coefficient >= 0, "0 or more")

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Remember the initial weights."""
        self._places = {part.name: part.places(part.weights) for part in parts}
        for part in parts:
            self.register_buffer(f"{part.name}_initial", _flatten(part.weights).detach())

    def regularize(self, name: str, parameters: Sequence[Tensor]) -> Tensor | None:
        """Return the penalty."""
        if self.coefficient == 0:
            return None
        weights = _flatten([parameters[place] for place in self._places[name]])
        distance = weights - self.get_buffer(f"{name}_initial")
        return self.coefficient * distance.square().sum()


def _flatten(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors])
