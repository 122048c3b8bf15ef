"""Residual blocks, and networks made of them."""

from __future__ import annotations

import copy
import math
from typing import Any, final

from torch import Tensor, nn

from ..wrappers.errors import SettingsError


@final
class Residual(nn.Module):
    """A residual block: what it reads, plus what a branch makes of it.

    He et al., "Deep residual learning for image recognition" (2016).

    Args:
        branch: a sequence with as many outputs as inputs.

    Example:
        >>> import torch
        >>> branch = nn.Sequential(nn.Linear(2, 2, bias=False))
        >>> _ = nn.init.constant_(branch[0].weight, 0.5)
        >>> Residual(branch)(torch.tensor([1.0, 3.0])).tolist()
        [3.0, 5.0]
    """

    def __init__(self, branch: nn.Sequential) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, units: Tensor) -> Tensor:
        """Return the units with what the branch adds.

        Args:
            units: of shape (..., width).
        """
        added: Tensor = self.branch(units)
        return units + added


def make_residual(network: nn.Sequential) -> None:
    """Make a multi-layer perceptron a residual network with layer norms, in place.

    BroNet (Nauman et al., "Bigger, regularized, optimistic: scaling for compute and
    sample-efficient continuous control", 2024): the first hidden layer becomes linear map, layer
    norm and activation; each further one a block, whose branch is linear map, layer norm,
    activation, linear map and layer norm. All weights are drawn anew as in the published code:
    orthogonal, times the square root of 2, with biases of 0.

    Args:
        network: linear maps with an activation after each hidden one.

    Raises:
        SettingsError: the hidden layers differ in width, or there is something else in between.

    Example:
        >>> network = nn.Sequential(
        ...     nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1)
        ... )
        >>> make_residual(network)
        >>> [type(module).__name__ for module in network]
        ['Linear', 'LayerNorm', 'ReLU', 'Residual', 'Linear']
        >>> [type(module).__name__ for module in network[3].branch]
        ['Linear', 'LayerNorm', 'ReLU', 'Linear', 'LayerNorm']
    """
    modules: list[Any] = list(network)
    hidden, output = modules[: len(modules) // 2 * 2], modules[len(modules) // 2 * 2 :]
    maps, activations = hidden[::2], hidden[1::2]
    linear = all(isinstance(module, nn.Linear) for module in [*maps, *output])
    if not linear or any(isinstance(m, nn.Linear | nn.LayerNorm) for m in activations):
        raise SettingsError("residual blocks need linear maps, each with an activation after it")
    widths = [module.out_features for module in maps]
    if len(set(widths)) > 1:
        raise SettingsError(
            "residual blocks add to what they read, and so need hidden layers of one width, not "
            f"{', '.join(map(str, widths))}"
        )
    made: list[nn.Module] = []
    for index, (first, activation) in enumerate(zip(maps, activations, strict=True)):
        norm = nn.LayerNorm(first.out_features).to(first.weight)
        if index == 0:
            made += [first, norm, activation]
        else:
            second, last = copy.deepcopy(first), copy.deepcopy(norm)
            made.append(Residual(nn.Sequential(first, norm, activation, second, last)))
    del network[:]
    network.extend([*made, *output])
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.orthogonal_(module.weight, math.sqrt(2))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
