"""Perturbation guided by dormant gradients, from ACE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from ..diagnostics.gradients import gradient_dormant_fraction
from ..layers import Part
from .perturbation import Perturbation, linear_maps, pool


@final
@dataclass(eq=False, repr=False)
class DormantGradientPerturbation(Perturbation):
    """ACE's reset: the more gradients are dormant, the more of the weights is fresh.

    Ji et al., "ACE: Off-policy actor-critic with causality-aware entropy regularization" (2024).

    A unit of a linear map of the actor, outputs included, is dormant if the norm of the last
    gradient of its incoming weights is less than `dormant_threshold` times the mean over its map.
    With the ratio of such units, the share 1 - ratio of all weights stays, of actor, critics and
    targets, and the optimizer forgets everything. SAC's temperature stays.

    Example:
        >>> DormantGradientPerturbation(every_updates=1000).most_kept
        0.9
    """

    name: ClassVar[str] = "dormant-gradient-perturbation"
    needs_gradients: ClassVar[bool] = True
    rate: ClassVar[float] = 1.0

    every_updates: int | None = 100_000
    """Gradient steps from one occasion to the next, or none (published code: 100,000)."""

    dormant_threshold: float = 0.05
    """Share of a map's mean norm below which a unit is dormant (published code: 0.05)."""

    def measure(self, actor: Part) -> float:
        """Return the share of units with dormant gradients."""
        maps = linear_maps(actor)
        gradients = [linear.weight.grad for linear in maps if linear.weight.grad is not None]
        shares = [gradient_dormant_fraction(g, self.dormant_threshold) for g in gradients]
        return pool(shares, [gradient.T for gradient in gradients])
