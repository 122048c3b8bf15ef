"""Penalties on how far the weights are from the initial ones."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..layers import Part
from ..method import Method


@dataclass(eq=False, repr=False)
class InitialDistance(Method):
    """The squared distance of weights and biases to their initial values: abstract base.

    It is a part of the loss, so that Adam rescales its gradient. The standard deviation of PPO's
    actions is no weight, and left alone.
    """

    coefficient: float = 1e-3
    """Weight of the penalty, 0 or more."""

    @staticmethod
    @abstractmethod
    def arrange(values: Tensor) -> Tensor:
        """Return a parameter's values in the order in which they are compared.

        Args:
            values: of shape (n,).
        """

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
            self.register_buffer(f"{part.name}_initial", self._join(part.weights).detach())

    def regularize(self, name: str, parameters: Sequence[Tensor]) -> Tensor | None:
        """Return the penalty."""
        if self.coefficient == 0:
            return None
        values = self._join([parameters[place] for place in self._places[name]])
        distance = values - self.get_buffer(f"{name}_initial")
        return self.coefficient * distance.square().sum()

    def _join(self, tensors: Sequence[Tensor]) -> Tensor:
        return torch.cat([self.arrange(tensor.reshape(-1)) for tensor in tensors])
