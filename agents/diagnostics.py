"""How able to learn a network still is: pure functions of its units and weights.

None of them draws a random number or changes anything, so that switching them on or off does not
change a single bit of training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .layers import HiddenLayer, Part

DORMANT_THRESHOLD = 0.025
"""Score up to which a unit counts as dormant (Sokar et al. 2023, continuous control)."""


def dormant_fraction(features: Tensor, threshold: float = DORMANT_THRESHOLD) -> float:
    """Return the share of units that hardly respond (Sokar et al. 2023, Definition 3.1).

    A unit's score is its mean magnitude over the batch, divided by the mean of that over the
    layer's units. It is dormant when the score is at most the threshold.

    Args:
        features: the units' outputs, of shape (batch, width).
        threshold: largest score of a dormant unit, 0 or more.

    Returns:
        The share, from 0 to 1: 1 where all outputs are 0, 0 where there are no units, NaN where
        there is no batch or an output is not finite.

    Example:
        >>> dormant_fraction(torch.tensor([[1.0, 0.0, -1.0, 0.01]]))
        0.5
    """
    dormant, n_units = _count_dormant(features, threshold)
    return dormant / n_units if n_units else 0.0


def effective_rank(features: Tensor) -> float:
    """Return the effective rank of a matrix (Roy and Vetterli 2007, Definition 1).

    It is the exponential of the entropy of the singular values, divided by their sum.

    Args:
        features: a matrix, such as units' outputs of shape (batch, width); it is not centred.

    Returns:
        From 1 to the smaller side of the matrix: 0 where all its elements are 0 or it has none,
        NaN where one is not finite.

    Example:
        >>> effective_rank(torch.eye(4))
        4.0
    """
    if features.numel() == 0:
        return 0.0
    if not bool(torch.isfinite(features).all()):
        return math.nan
    values = torch.linalg.svdvals(features.detach().double())
    total = values.sum()
    if total == 0:
        return 0.0
    shares = values / total
    return torch.exp(torch.special.entr(shares).sum()).item()


def weight_norm(parameters: Iterable[Tensor]) -> float:
    """Return the L2 norm of all elements of all parameters together.

    Args:
        parameters: tensors of any shape.

    Returns:
        The norm, 0 where there are no parameters.

    Example:
        >>> weight_norm([torch.tensor([3.0]), torch.tensor([[4.0]])])
        5.0
    """
    squares = [parameter.detach().double().square().sum() for parameter in parameters]
    return math.sqrt(sum(square.item() for square in squares))


@torch.no_grad()
def diagnose(
    parts: Sequence[Part], policy: nn.Module, forward: Callable[[], Any]
) -> dict[str, float]:
    """Measure each part of an agent on one batch.

    Args:
        parts: the agent's networks.
        policy: the module that holds them; put in evaluation mode for the forward pass, and
            every module back into its own mode afterwards.
        forward: runs each part once on the batch; must not draw random numbers.

    Returns:
        For each part, `plasticity/<part>/weight_norm`: the L2 norm of its weight matrices, biases
        left out; and where it has hidden layers, `dormant_fraction`: the share of all hidden
        units that are dormant within their layer, and `effective_rank` of the last hidden layer.
    """
    features = _observe([layer for part in parts for layer in part.hidden], policy, forward)
    measured: dict[str, float] = {}
    for part in parts:
        tag = f"plasticity/{part.name}"
        if part.hidden:
            counts = [_count_dormant(features[layer], DORMANT_THRESHOLD) for layer in part.hidden]
            dormant, n_units = (sum(column) for column in zip(*counts, strict=True))
            measured[f"{tag}/dormant_fraction"] = dormant / n_units
            measured[f"{tag}/effective_rank"] = effective_rank(features[part.hidden[-1]])
        matrices = (parameter for parameter in part.parameters if parameter.ndim > 1)
        measured[f"{tag}/weight_norm"] = weight_norm(matrices)
    return measured


def _count_dormant(features: Tensor, threshold: float) -> tuple[float, int]:
    n_rows, n_units = features.shape
    if n_units == 0:
        return 0.0, 0
    if n_rows == 0 or not bool(torch.isfinite(features).all()):
        return math.nan, n_units
    magnitude = features.detach().double().abs().mean(dim=0)
    # Multiplied out, so that a layer without any activity is wholly dormant instead of 0 / 0.
    dormant = magnitude <= threshold * magnitude.mean()
    return float(dormant.sum()), n_units


def _observe(
    layers: Sequence[HiddenLayer], policy: nn.Module, forward: Callable[[], Any]
) -> dict[HiddenLayer, Tensor]:
    seen: dict[HiddenLayer, Tensor] = {}

    def watch(layer: HiddenLayer) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def keep(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            seen[layer] = inputs[0]

        return keep

    modes = [(module, module.training) for module in policy.modules()]
    handles = [layer.outgoing[0].register_forward_pre_hook(watch(layer)) for layer in layers]
    try:
        policy.eval()
        forward()
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes:
            module.training = training
    return seen
