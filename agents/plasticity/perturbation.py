"""Perturbations whose strength follows from how dormant the actor is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from ..layers import Part
from .occasional import Occasional
from .renewal import TargetTreatment, draw_fresh, mix


@dataclass(eq=False, repr=False)
class Perturbation(Occasional):
    """Moves all linear maps towards fresh weights, the more so the more dormant: abstract base.

    The share of the old weights that stays is 1 - rate * ratio, kept between `least_kept` and
    `most_kept`, with the actor's dormant ratio. The optimizer forgets everything. The ratio of the
    last occasion is logged as `plasticity/<method>_ratio`.
    """

    rate: ClassVar[float]
    waits_for_step: ClassVar[bool] = True

    dormant_threshold: float = 0.025
    """Share of a layer's mean below which a unit is dormant, 0 or more."""

    least_kept: float = 0.2
    """Smallest share of the old weights that stays, from 0 to 1 (published codes: 0.2)."""

    most_kept: float = 0.9
    """Largest share of the old weights that stays, from 0 to 1: at less than 1 an occasion never
    passes without a perturbation (ACE's code: 0.9; DrM's: 0.6 to 1, by task)."""

    law: Literal["network", "orthogonal"] = "network"
    """Law of the fresh weights: the network's own, or orthogonal with biases of 0, as the
    published codes of DrM and ACE have it whatever the network began with."""

    target: TargetTreatment = "independent"
    """What happens to SAC's target networks (published codes: independent)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("dormant_threshold", self.dormant_threshold >= 0, "0 or more")
        self.require("most_kept", 0 <= self.most_kept <= 1, "from 0 to 1")
        fits = 0 <= self.least_kept <= self.most_kept
        self.require("least_kept", fits, f"from 0 to most_kept, which is {self.most_kept}")

    @abstractmethod
    def measure(self, actor: Part) -> float:
        """Return the actor's dormant ratio, from 0 to 1."""

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Begin to count."""
        super().attach(parts, seed)
        self.register_buffer("ratio", torch.zeros((), dtype=torch.float64))

    def act(self) -> None:
        """Perturb all networks."""
        ratio = self.measure(self.parts[0])
        self.get_buffer("ratio").fill_(ratio)
        keep = min(max(1 - self.rate * ratio, self.least_kept), self.most_kept)
        if keep == 1:
            return
        seeds = [self.draw_seed() for _ in range(2)]
        for part in self.parts:
            fresh = self._draw(part, seeds[0])
            other = self._draw(part, seeds[1]) if self.target == "independent" else ()
            mix(part, fresh, keep, self.target, other, _linear_positions(part))
            for parameter in part.parameters:
                part.reset_optimizer(parameter, ...)

    def after_iteration(self) -> dict[str, float]:
        """Return how often it has acted, and the dormant ratio at the last time."""
        logged = super().after_iteration()
        (tag,) = logged
        return logged | {f"{tag}_ratio": self.get_buffer("ratio").item()}

    def _draw(self, part: Part, seed: int) -> Sequence[Tensor]:
        if self.law == "network":
            return draw_fresh(part, seed)
        generator, fresh = torch.Generator().manual_seed(seed), []
        for parameter in part.parameters:
            drawn = torch.zeros(parameter.shape)
            if parameter.ndim == 2:
                nn.init.orthogonal_(drawn, generator=generator)
            fresh.append(drawn.to(parameter))
        return fresh


def linear_maps(part: Part) -> list[nn.Linear]:
    """Return all linear maps of a network, its outputs last.

    Args:
        part: the network.
    """
    return [*(layer.incoming for layer in part.hidden), *part.output]


def pool(shares: Sequence[float], maps: Sequence[Tensor]) -> float:
    """Return the share of dormant units over all layers.

    Args:
        shares: of each layer.
        maps: what has an entry for each unit of the layer along its last dimension.

    Example:
        >>> pool([1.0, 0.0], [torch.zeros(5, 1), torch.zeros(5, 3)])
        0.25
    """
    sizes = [one.shape[-1] for one in maps]
    dormant = sum(share * size for share, size in zip(shares, sizes, strict=True))
    return dormant / sum(sizes) if sizes else 0.0


def _linear_positions(part: Part) -> list[int]:
    own = {id(parameter) for linear in linear_maps(part) for parameter in linear.parameters()}
    return [i for i, parameter in enumerate(part.parameters) if id(parameter) in own]
