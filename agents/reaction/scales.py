"""Means and deviations that forget."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn

CLIP = 10.0
"""How many deviations a scaled number may be away from the mean (as stable-baselines3 clips)."""


@final
class ForgettingScale(nn.Module):
    """Mean and standard deviation of the last numbers, older ones counting less and less.

    The weight of a row falls by e in `horizon` rows. A scale of the whole life would be that of
    its largest shock for ever after, in which later ones drown.

    Args:
        size: numbers in a row.
        horizon: rows; infinite for the whole life.

    Example:
        >>> scale = ForgettingScale(1, horizon=100)
        >>> scale.update(torch.tensor([[2.0], [4.0]]))
        >>> scale(torch.tensor([[4.0]])).round(decimals=3).item()
        1.0
    """

    mean: Tensor
    square: Tensor
    weight: Tensor

    def __init__(self, size: int, horizon: float) -> None:
        super().__init__()
        self._horizon = horizon
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("square", torch.zeros(size))
        self.register_buffer("weight", torch.zeros(()))

    @property
    def deviation(self) -> Tensor:
        """The standard deviations; where there is none, so small a number that nothing is lost."""
        return self.square.clamp(min=1e-8).sqrt()

    @torch.no_grad()
    def update(self, rows: Tensor) -> None:
        """Take in some rows.

        Args:
            rows: of shape (batch, size).
        """
        kept = self.weight * math.exp(-len(rows) / self._horizon)
        self.weight.copy_(kept + len(rows))
        share = len(rows) / self.weight
        moved = rows.mean(dim=0) - self.mean
        variance = rows.var(dim=0, unbiased=False)
        # The variance of the mixture of both.
        self.square.mul_(1 - share).add_(share * (variance + (1 - share) * moved.square()))
        self.mean.add_(share * moved)

    def forward(self, rows: Tensor) -> Tensor:
        """Return rows in deviations from the mean, clipped.

        Args:
            rows: of shape (batch, size).
        """
        return ((rows - self.mean) / self.deviation).clamp(-CLIP, CLIP)
