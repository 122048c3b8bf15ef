"""L2 towards the initial weights: regenerative regularization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from .initial_distance import InitialDistance


@final
@dataclass(eq=False, repr=False)
class L2Init(InitialDistance):
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

    @staticmethod
    def arrange(values: Tensor) -> Tensor:
        """Return the values as they lie: each is compared with itself."""
        return values
