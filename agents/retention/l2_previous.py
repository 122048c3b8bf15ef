"""L2 to the previous task's weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from ..layers import Part
from .anchored import Anchored
from .task import Task


@final
@dataclass(eq=False, repr=False)
class L2Previous(Anchored):
    """The squared distance of the policy's weights to where the last task left them.

    The reference "L2" of Kirkpatrick et al. (2017) and of Wolczyk et al., "Continual World"
    (NeurIPS 2021): all weights are equally important, by 1 for each task that has ended. Not to be
    taken for `l2`, which pulls to 0, nor `l2-init`, which pulls to the beginning.

    Example:
        >>> L2Previous(coefficient=1e3)
        L2Previous(coefficient=1000.0)
    """

    name: ClassVar[str] = "l2-previous"

    coefficient: float = 1e5
    """Weight of the penalty, 0 or more (Continual World and COOM: 1e5)."""

    def measure(self, part: Part, task: Task) -> Sequence[Tensor]:
        """Return 1 for each weight."""
        return [torch.ones_like(parameter) for parameter in part.parameters]
