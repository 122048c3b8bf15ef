"""How useful a unit is: continual backprop's utilities, as pure functions."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ..layers import Units

Utility = Literal[
    "contribution",
    "zero_contribution",
    "adaptable_contribution",
    "weight",
    "adaptation",
    "feature_by_input",
    "random",
]
"""The names of the published code (shibhansh/loss-of-plasticity, 2024)."""

CENTERED = ("zero_contribution", "adaptable_contribution", "feature_by_input")
"""Those that ask how far outputs are from their running means."""


def measure_utility(kind: Utility, units: Units, mean_output: Tensor) -> Tensor:
    """Return each unit's utility in a minibatch, of shape (width,).

    With `reach`, the sum of the magnitudes of a unit's outgoing weights, and `hold`, that of its
    incoming weights without the bias (Dohare et al. 2024, equations 1 to 3, and the variants of
    Dohare et al. 2021 and of the published code, which takes means in place of the sums: the order
    within a layer is the same):

    - contribution: reach times the mean magnitude of the output;
    - zero_contribution: reach times the mean distance of the output from its running mean;
    - adaptable_contribution: that, divided by hold;
    - weight: reach;
    - adaptation: 1 / hold;
    - feature_by_input: the mean distance of the output from its running mean, divided by hold;
    - random: 0 for all; chance decides when units are chosen.

    Args:
        kind: which utility.
        units: what is known of the layer after a gradient step.
        mean_output: running means of the units' outputs, this minibatch included, of shape
            (width,).

    Example:
        >>> outgoing = (torch.tensor([[-2.0, 1.0]]),)
        >>> units = Units(torch.tensor([[1.0, 3.0]]), outgoing, torch.ones(2, 4))
        >>> measure_utility("contribution", units, torch.zeros(2))
        tensor([2., 3.])
        >>> measure_utility("adaptation", units, torch.zeros(2))
        tensor([0.2500, 0.2500])
    """
    if kind == "random":
        return torch.zeros_like(mean_output)
    if kind == "adaptation":
        return 1 / units.incoming.abs().sum(dim=1)
    if kind == "weight":
        return _reach(units)
    if kind == "contribution":
        return units.features.abs().mean(dim=0) * _reach(units)
    deviation = (units.features - mean_output).abs().mean(dim=0)
    if kind == "zero_contribution":
        return deviation * _reach(units)
    hold = units.incoming.abs().sum(dim=1)
    if kind == "adaptable_contribution":
        return deviation * _reach(units) / hold
    return deviation / hold


def _reach(units: Units) -> Tensor:
    first, *others = (weight.abs().sum(dim=0) for weight in units.outgoing)
    for other in others:
        first = first + other
    return first
