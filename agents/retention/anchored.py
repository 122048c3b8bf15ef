"""Penalties that hold weights where the last task left them, each by its importance."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..layers import Part
from .retention_method import RetentionMethod, is_policy
from .task import Task


@dataclass(eq=False, repr=False)
class Anchored(RetentionMethod):
    """Holds weights of the policy where the last task left them: abstract base.

    The sum of importance * (weight - anchor)^2, times the coefficient, is added to the loss.
    The anchor is what the weights were when the last task ended; importances of tasks add up, so
    that there is one anchor and one importance however many tasks there were. Parameters that each
    task has of its own (`multi-head`) are left alone, and so are critics, as in Wolczyk et al.,
    "Continual World" (NeurIPS 2021).
    """

    coefficient: float = 1.0
    """Weight of the penalty, 0 or more."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("coefficient", self.coefficient >= 0, "0 or more")

    @abstractmethod
    def measure(self, part: Part, task: Task) -> Sequence[Tensor]:
        """Return how important each of a policy's weights is for a task that has just ended.

        Args:
            part: the policy.
            task: with its examples.

        Returns:
            For each parameter a tensor of its shape, 0 or more.
        """

    def earlier_share(self) -> float:
        """Return what is left of earlier tasks' importance when another task ends."""
        return 1.0

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Begin without importance."""
        self.generator = torch.Generator().manual_seed(seed)
        self.policy = next(part for part in parts if is_policy(part))
        flat = _flatten(self.policy.parameters).detach()
        self.register_buffer("anchor", flat.clone())
        self.register_buffer("importance", torch.zeros_like(flat))

    def end_task(self, task: Task) -> None:
        """Weigh the weights, and let the anchor be where they are."""
        if self.coefficient == 0:
            return
        part = self.policy
        found = [each.detach().clone() for each in self.measure(part, task)]
        for place in part.by_task:
            found[place].zero_()
        # In place: compiled code holds these tensors.
        self.get_buffer("importance").mul_(self.earlier_share()).add_(_flatten(found))
        self.get_buffer("anchor").copy_(_flatten(part.parameters))

    def regularize(self, name: str, parameters: Sequence[Tensor]) -> Tensor | None:
        """Return the penalty."""
        if self.coefficient == 0 or name != self.policy.name:
            return None
        distance = _flatten(parameters) - self.get_buffer("anchor")
        return self.coefficient * (self.get_buffer("importance") * distance.square()).sum()


def _flatten(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors])
