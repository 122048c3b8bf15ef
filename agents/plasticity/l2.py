"""L2: weights are pulled to 0."""

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
class L2(Method):
    """The sum of squares of all weights and biases is added to the loss.

    Krogh and Hertz, "A simple weight decay can improve generalization" (1991); as a way to keep
    plasticity, the baseline of Kumar et al., "Maintaining plasticity in continual learning via
    regenerative regularization" (2023). It is a part of the loss, so that Adam rescales its
    gradient; decay that goes around Adam (AdamW) is another algorithm. The standard deviation of
    PPO's actions is no weight, and left alone.

    Example:
        >>> L2(coefficient=1e-4)
        L2(coefficient=0.0001)
    """

    name: ClassVar[str] = "l2"

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
        """Note which parameters are weights."""
        self._places = {part.name: part.places(part.weights) for part in parts}

    def regularize(self, name: str, parameters: Sequence[Tensor]) -> Tensor | None:
        """Return the penalty."""
        if self.coefficient == 0:
            return None
        weights = torch.cat([parameters[place].reshape(-1) for place in self._places[name]])
        return self.coefficient * weights.square().sum()
