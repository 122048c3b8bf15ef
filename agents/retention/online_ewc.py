"""Online elastic weight consolidation: weights that answers depend on are held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from ..layers import Part
from .anchored import Anchored
from .importance import fisher_information
from .task import Task


@final
@dataclass(eq=False, repr=False)
class OnlineEWC(Anchored):
    """Elastic weight consolidation with one anchor and one Fisher information for all tasks.

    Kirkpatrick et al., "Overcoming catastrophic forgetting in neural networks" (2017), in the form
    of Schwarz et al., "Progress & compress" (2018). The diagonal of the Fisher information is in
    closed form for normal policies, as in Wolczyk et al., "Continual World" (NeurIPS 2021): see
    `everlearn.agents.retention.importance.fisher_information`. What is called EWC there is this
    with `decay` 1. A bare network's outputs count as means with standard deviation 1.

    Example:
        >>> OnlineEWC(coefficient=250.0).decay
        1.0
    """

    name: ClassVar[str] = "online-ewc"

    coefficient: float = 1e4
    """Weight of the penalty, 0 or more (Continual World: 1e4; COOM: 250)."""

    decay: float = 1.0
    """What is left of earlier Fisher information when a task ends, from 0 to 1 (Continual World:
    1; CORA: 0.99)."""

    observations: int = 2560
    """Observations over which the mean is taken, 1 or more (Continual World: 10 batches of 256)."""

    smallest: float = 1e-5
    """The information is at least this, 0 or more (Continual World)."""

    stabilizer: float = 1e-6
    """Added to the variances, 0 or more (Continual World's code; 0 is exact)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("decay", 0 <= self.decay <= 1, "from 0 to 1")
        self.require("observations", self.observations >= 1, "1 or more")
        self.require("smallest", self.smallest >= 0, "0 or more")
        self.require("stabilizer", self.stabilizer >= 0, "0 or more")

    def earlier_share(self) -> float:
        """Return what is left of earlier Fisher information when another task ends."""
        return self.decay

    def measure(self, part: Part, task: Task) -> Sequence[Tensor]:
        """Return the Fisher information of each weight."""
        inputs = task.sample(self.observations, self.generator).observations
        found = fisher_information(part, inputs, self.stabilizer)
        return [each.clamp(min=self.smallest) for each in found]
