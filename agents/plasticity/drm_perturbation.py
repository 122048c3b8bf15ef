"""Perturbation guided by dormant pre-activations, from DrM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from ..diagnostics.units import drm_dormant_fraction
from ..layers import Part, compute_features
from .perturbation import Perturbation, pool


@final
@dataclass(eq=False, repr=False)
class DrMPerturbation(Perturbation):
    """DrM's perturbation, without its exploration and its exploitation.

    Xu et al., "DrM: Mastering visual reinforcement learning through dormant ratio minimization"
    (2024).

    A unit of a linear map of the actor, outputs included, is dormant if the mean magnitude of what
    the map gives, before the activation, is less than `dormant_threshold` times the mean over the
    map. That is no share of dead ReLUs: these have large negative pre-activations. With the ratio
    of such units, the share 1 - 2 * ratio of all weights stays, of actor, critics and targets, and
    the optimizer forgets everything. SAC's temperature stays.

    Example:
        >>> DrMPerturbation(every_steps=None, every_updates=50_000).dormant_threshold
        0.025
    """

    name: ClassVar[str] = "drm-perturbation"
    rate: ClassVar[float] = 2.0

    every_steps: int | None = 100_000
    """Environment steps from one occasion to the next, or none (published code: 100,000)."""

    def measure(self, actor: Part) -> float:
        """Return the share of units with dormant pre-activations."""
        inputs = actor.recall()
        hidden = [inputs, *compute_features(actor.hidden, inputs)]
        pairs = zip(actor.hidden, hidden, strict=False)
        outputs = [layer.incoming(units) for layer, units in pairs]
        outputs += [linear(hidden[-1]) for linear in actor.output]
        shares = [drm_dormant_fraction(output, self.dormant_threshold) for output in outputs]
        return pool(shares, outputs)
