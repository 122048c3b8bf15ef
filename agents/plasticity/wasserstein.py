"""Wasserstein distance to the initial weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from .initial_distance import InitialDistance


@final
@dataclass(eq=False, repr=False)
class Wasserstein(InitialDistance):
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

    @staticmethod
    def arrange(values: Tensor) -> Tensor:
        """Return the values in rising order: those of the same rank are compared."""
        return values.sort().values
