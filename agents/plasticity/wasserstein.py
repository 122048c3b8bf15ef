"""Wasserstein distance to the initial weights."""

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
class Wasserstein(Method):
    """How far the weights' distribution is from the initial one is added to the loss.

    Lewandowski et al., "Learning continually by spectral regularization" (first version, 2024):
    the squared 2-Wasserstein distance between the values of each weight matrix or bias vector and
    the initial ones, times their number. In one dimension it pairs the sorted values, so that it
    is L2-init after sorting, and weights that have only changed places cost nothing. The standard
    deviation of PPO's actions is no weight, and left alone.

    Example:
        >>> Wasserstein(coefficient=1e-2)
        Wasserstein(coefficient=0.01)
    """

    name: ClassVar[str] = "wasserstein"

    coefficient: float = 1e-3
    """Weight of the penalty (L2-init's default here; the authors' own value is not known to us)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("coefficient", self.coefficient >= 0, "0 or more")

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Remember the initial weights of each parameter, sorted."""
        self._places = {part.name: part.places(part.weights) for part in parts}
        for part in parts:
            self.register_buffer(f"{part.name}_initial", _sort(part.weights).detach())

    def regularize(self, name: str, parameters: Sequence[Tensor]) -> Tensor | None:
        """Return the penalty."""
        if self.coefficient == 0:
            return None
        values = _sort([parameters[place] for place in self._places[name]])
        distance = values - self.get_buffer(f"{name}_initial")
        return self.coefficient * distance.square().sum()


def _sort(tensors: Sequence[Tensor]) -> Tensor:
    """Return the values of each tensor in rising order, one tensor after the other."""
    return torch.cat([tensor.reshape(-1).sort().values for tensor in tensors])
