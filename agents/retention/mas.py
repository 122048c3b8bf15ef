"""Memory aware synapses: weights that the length of answers depends on are held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from ..layers import Part
from .anchored import Anchored
from .importance import answer_sensitivity
from .task import Task


@final
@dataclass(eq=False, repr=False)
class MAS(Anchored):
    """Memory aware synapses (Aljundi et al. 2018).

    "Memory aware synapses: learning what (not) to forget", ECCV 2018; on policies as in Wolczyk et
    al., "Continual World" (NeurIPS 2021): the importance of a weight is the mean over observations
    of |d (|mu|^2 + |log sigma|^2)|, and adds up over tasks.

    Example:
        >>> MAS(coefficient=100.0)
        MAS(coefficient=100.0, observations=2560)
    """

    name: ClassVar[str] = "mas"

    coefficient: float = 1e4
    """Weight of the penalty, 0 or more (Continual World: 1e4)."""

    observations: int = 2560
    """Observations over which the mean is taken, 1 or more (as Continual World's EWC)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("observations", self.observations >= 1, "1 or more")

    def measure(self, part: Part, task: Task) -> Sequence[Tensor]:
        """Return how much the length of the answers depends on each weight."""
        inputs = task.sample(self.observations, self.generator).observations
        return answer_sensitivity(part, inputs)
