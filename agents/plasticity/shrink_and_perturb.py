"""Shrink and perturb: weights shrink a little, and fresh noise comes in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from ..layers import Part
from .occasional import Occasional
from .renewal import draw_fresh


@final
@dataclass(eq=False, repr=False)
class ShrinkAndPerturb(Occasional):
    """Shrink and perturb (Ash and Adams, "On warm-starting neural network training", 2020).

    At each occasion every parameter becomes (1 - shrink) times itself plus `noise` times a fresh
    draw: by default a standard normal one after each gradient step, as Dohare et al. (2024) use
    it for continual learning, or what a new network's parameter would be, as Ash and Adams draw
    it before new data come. The draw is new each time; pulling towards one fixed draw would be
    another method (L2 towards the initial weights). The optimizer keeps what it knows, and target
    networks follow by Polyak averaging.

    Example:
        >>> ShrinkAndPerturb(shrink=0.4, noise=0.01, law="network", at_change=True).shrink
        0.4
    """

    name: ClassVar[str] = "shrink-and-perturb"

    every_updates: int | None = 1
    """Gradient steps from one occasion to the next, or none (Dohare et al. 2024: 1)."""

    shrink: float = 1e-4
    """Share that each occasion takes away, from 0 to 1 (this package's, from the probe of
    `scripts/probe_plasticity.py`; Ash and Adams: 0.4 at new data)."""

    noise: float = 1e-4
    """What the draw is multiplied with, 0 or more (this package's, as above)."""

    law: Literal["normal", "network"] = "normal"
    """What is drawn: standard normal noise, or a network's own initial parameters."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("shrink", 0 <= self.shrink <= 1, "from 0 to 1")
        self.require("noise", self.noise >= 0, "0 or more")

    def act(self) -> None:
        """Shrink and perturb all parameters."""
        if self.shrink == 0 and self.noise == 0:
            return
        seed = self.draw_seed() if self.law == "network" else 0
        for part in self.parts:
            for parameter, drawn in zip(part.parameters, self._draw(part, seed), strict=True):
                parameter.mul_(1 - self.shrink).add_(drawn, alpha=self.noise)

    def _draw(self, part: Part, seed: int) -> Sequence[Tensor]:
        if self.law == "network":
            return draw_fresh(part, seed)
        sizes = [parameter.numel() for parameter in part.parameters]
        # One draw for all: each takes its own time.
        drawn = torch.randn(sum(sizes), generator=self.generator).to(part.parameters[0])
        pieces = zip(drawn.split(sizes), part.parameters, strict=True)
        return [piece.view_as(parameter) for piece, parameter in pieces]
