"""How many of a layer's units still do something: pure functions of what they put out."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

DORMANT_THRESHOLD = 0.025
"""Score up to which a unit counts as dormant (Sokar et al. 2023, continuous control)."""

DRM_THRESHOLD = 0.025
"""Score below which DrM counts a unit as dormant (Xu et al. 2024)."""

SATURATED = 0.99
"""Magnitude above which a tanh unit is saturated, and no longer active."""

DEAD_SHARE = 0.01
"""Share of the batch up to which a dead unit may be active (Dohare et al. 2024)."""


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
    if (magnitude := _mean_magnitude(features)) is None:
        return 0.0 if features.shape[1] == 0 else math.nan
    # Multiplied out, so that a layer without any activity is wholly dormant instead of 0 / 0.
    return _share(magnitude <= threshold * magnitude.mean())


def drm_dormant_fraction(preactivations: Tensor, threshold: float = DRM_THRESHOLD) -> float:
    """Return DrM's dormant ratio: of what linear maps put out, before any activation.

    Xu et al., "DrM: mastering visual reinforcement learning through dormant ratio minimization"
    (2024), as its code counts. A unit whose ReLU is dead has large negative pre-activations and
    is not dormant here: the number says something else than `dormant_fraction`.

    Args:
        preactivations: outputs of a linear map, of shape (batch, width).
        threshold: a dormant unit's mean magnitude is less than this times the layer's mean.

    Returns:
        The share, from 0 to 1; 0 where there are no units, NaN where there is no batch or an
        output is not finite.

    Example:
        >>> drm_dormant_fraction(torch.tensor([[1.0, 0.0, -1.0, -1.0]]))
        0.25
    """
    if (magnitude := _mean_magnitude(preactivations)) is None:
        return 0.0 if preactivations.shape[1] == 0 else math.nan
    return _share(magnitude < threshold * magnitude.mean())


def active_units(features: Tensor, activation: nn.Module) -> Tensor | None:
    """Return which units are active in which rows, or None where that is not defined.

    A ReLU unit is active where its output is positive (Ma et al., "Revisiting plasticity in visual
    reinforcement learning" (2024)), a tanh unit where the output's magnitude is at most 0.99.

    Args:
        features: the units' outputs, of shape (batch, width).
        activation: what made them.

    Returns:
        Of the features' shape and boolean; None for activations other than ReLU and tanh.

    Example:
        >>> active_units(torch.tensor([[0.0, 0.5, 1.0]]), nn.ReLU())
        tensor([[False,  True,  True]])
        >>> active_units(torch.tensor([[0.0, 0.5, 1.0]]), nn.Tanh())
        tensor([[ True,  True, False]])
    """
    if isinstance(activation, nn.ReLU):
        return features > 0
    if isinstance(activation, nn.Tanh):
        return features.abs() <= SATURATED
    return None


def active_fraction(active: Tensor) -> float:
    """Return the fraction of active units, over batch and units together.

    Args:
        active: from `active_units`.

    Returns:
        From 0 to 1, or NaN where there is nothing to look at.

    Example:
        >>> active_fraction(torch.tensor([[True, False], [True, True]]))
        0.75
    """
    return _share(active)


def dead_fraction(active: Tensor, share: float = DEAD_SHARE) -> float:
    """Return the share of units that are hardly ever active (Dohare et al. 2024, Figure 4).

    Args:
        active: from `active_units`.
        share: of the batch in which a dead unit may be active.

    Returns:
        From 0 to 1, or NaN where there is nothing to look at.

    Example:
        >>> dead_fraction(torch.tensor([[True, False], [False, False]]))
        0.5
    """
    if active.numel() == 0:
        return math.nan
    return _share(active.mean(dim=0, dtype=torch.float64) <= share)


def _mean_magnitude(outputs: Tensor) -> Tensor | None:
    if outputs.numel() == 0:
        return None
    magnitude = outputs.detach().abs().mean(dim=0, dtype=torch.float64)
    return magnitude if bool(torch.isfinite(magnitude).all()) else None


def _share(true: Tensor) -> float:
    return int(torch.count_nonzero(true)) / true.numel() if true.numel() else math.nan
