"""Activations that torch does not have; they read the units in the last dimension."""

from __future__ import annotations

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@final
class CReLU(nn.Module):
    """max(x, 0) and max(-x, 0), one after the other: two outputs a unit.

    Shang et al., "Understanding and improving convolutional neural networks via concatenated
    rectified linear units" (2016).

    Example:
        >>> CReLU()(torch.tensor([3.0, -2.0]))
        tensor([3., 0., 0., 2.])
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs, twice as many as inputs."""
        return torch.cat([F.relu(inputs), F.relu(-inputs)], dim=-1)


@final
class Fourier(nn.Module):
    """sin(x) and cos(x), one after the other: two outputs a unit.

    Lewandowski et al., "Plastic learning with deep Fourier features" (2025).

    Example:
        >>> Fourier()(torch.tensor([0.0]))
        tensor([0., 1.])
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs, twice as many as inputs."""
        return torch.cat([torch.sin(inputs), torch.cos(inputs)], dim=-1)


@final
class Elephant(nn.Module):
    """height / (1 + |x / width|**power): both it and its slope vanish away from 0.

    Lan and Mahmood, "Elephant neural networks: born to be a continual learner" (2023).

    Args:
        width: half the width at half the height, more than 0.
        power: how steep the sides are.

    Example:
        >>> Elephant(width=2.0, power=4)(torch.tensor([0.0, 2.0, 4.0]))
        tensor([1.0000, 0.5000, 0.0588])
    """

    def __init__(self, width: float = 1.0, power: int = 4) -> None:
        super().__init__()
        self.width = width
        self.power = power

    def extra_repr(self) -> str:
        """Return the settings for `repr`."""
        return f"width={self.width}, power={self.power}"

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs, from 0 to 1."""
        return 1 / (1 + (inputs / self.width).abs() ** self.power)


@final
class ASH(nn.Module):
    """x times a gate that opens for the units with the largest inputs of their layer.

    Lee et al., "Stochastic adaptive activation function" (2022): the gate is sigmoid(z) of
    z = sharpness * (x - mean - offset * deviation), with mean and standard deviation of the inputs
    over the layer's units. The hard one (LesserScholar/hard-ash) is min(max(x, 0), 2) times
    clip(z + 3, 0, 6) / 6.

    Args:
        sharpness: how steep the gate is.
        offset: how many deviations above the mean the gate is half open.
        hard: whether it is made of straight lines.

    Example:
        >>> ASH(hard=True, offset=0.0)(torch.tensor([-1.0, 1.0, 3.0]))
        tensor([0.0000, 0.5000, 2.0000])
    """

    def __init__(self, sharpness: float = 3.0, offset: float = 2.3, hard: bool = False) -> None:
        super().__init__()
        self.sharpness = sharpness
        self.offset = offset
        self.hard = hard

    def extra_repr(self) -> str:
        """Return the settings for `repr`."""
        return f"sharpness={self.sharpness}, offset={self.offset}, hard={self.hard}"

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs, of the inputs' shape."""
        mean = inputs.mean(dim=-1, keepdim=True)
        centred = inputs - mean
        # Kept from 0, where the square root has no slope.
        deviation = (centred.square().mean(dim=-1, keepdim=True) + 1e-12).sqrt()
        gate = self.sharpness * (centred - self.offset * deviation)
        if self.hard:
            return inputs.clamp(0, 2) * F.hardsigmoid(gate)
        return inputs * torch.sigmoid(gate)
