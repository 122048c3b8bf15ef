from __future__ import annotations

import math

import pytest
import torch

from everlearn.agents.diagnostics.gradients import gradient_dormant_fraction, zero_fraction


def test_gradient_dormancy_by_hand() -> None:
    # Lengths 1, 2, 0.05 and 0.95: their mean is 1.
    gradient = torch.tensor([[0.6, 0.8], [0.0, 2.0], [0.05, 0.0], [0.95, 0.0]])
    assert gradient_dormant_fraction(gradient, 0.06) == 0.25
    assert gradient_dormant_fraction(gradient, 0.04) == 0.0
    assert gradient_dormant_fraction(gradient * 1e-8, 0.06) == 0.25


@pytest.mark.parametrize(
    ("gradient", "wanted"),
    [
        (torch.zeros(3, 2), 0.0),
        (torch.zeros(0, 2), math.nan),
        (torch.tensor([[math.inf]]), math.nan),
    ],
)
def test_gradient_dormancy_edges(gradient: torch.Tensor, wanted: float) -> None:
    assert gradient_dormant_fraction(gradient) == pytest.approx(wanted, nan_ok=True)


def test_zero_fraction_is_over_all_elements() -> None:
    assert zero_fraction([torch.zeros(3), torch.ones(1)]) == 0.75
    assert math.isnan(zero_fraction([]))
