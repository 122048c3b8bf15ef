from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from everlearn.agents.diagnostics.units import (
    active_fraction,
    active_units,
    dead_fraction,
    dormant_fraction,
    drm_dormant_fraction,
)

NAN = math.nan


def test_dormant_fraction_by_hand() -> None:
    # Mean magnitudes 2, 0.05, 0 and 1.95: their mean is 1, so they are the scores.
    features = torch.tensor([[2.0, 0.1, 0.0, -3.0], [-2.0, 0.0, 0.0, 0.9]])
    assert dormant_fraction(features, 0.025) == 0.25
    assert dormant_fraction(features, 0.06) == 0.5
    assert dormant_fraction(features, 0.0) == 0.25
    assert dormant_fraction(features * 1e-6, 0.025) == 0.25


@pytest.mark.parametrize(
    ("features", "wanted"),
    [
        (torch.zeros(3, 4), 1.0),
        (torch.full((3, 4), 7.0), 0.0),
        (torch.zeros(3, 0), 0.0),
        (torch.zeros(0, 4), NAN),
        (torch.tensor([[1.0, NAN]]), NAN),
        (torch.tensor([[1.0, math.inf]]), NAN),
    ],
)
def test_dormant_fraction_edges(features: torch.Tensor, wanted: float) -> None:
    assert dormant_fraction(features) == pytest.approx(wanted, nan_ok=True)


def test_drm_looks_before_the_activation_and_less_than_strictly() -> None:
    preactivations = torch.tensor([[-5.0, 1.0, 0.0, 2.0]])
    assert drm_dormant_fraction(preactivations) == 0.25
    assert dormant_fraction(preactivations.relu()) == 0.5
    assert drm_dormant_fraction(torch.zeros(3, 4)) == 0.0
    assert math.isnan(drm_dormant_fraction(torch.full((2, 2), NAN)))


def test_dead_relus_are_dormant_but_not_for_drm() -> None:
    generator = torch.Generator().manual_seed(0)
    preactivations = torch.randn(512, 64, generator=generator)
    preactivations[:, :16] = -preactivations[:, :16].abs() - 1
    features = preactivations.relu()
    active = active_units(features, nn.ReLU())
    assert active is not None
    assert dormant_fraction(features) == dead_fraction(active) == 0.25
    assert active_fraction(active) == pytest.approx(0.375, abs=0.01)
    assert drm_dormant_fraction(preactivations) == 0.0


def test_active_fraction_has_a_definition_for_relu_and_one_for_tanh() -> None:
    outputs = torch.tensor([[0.0, 0.5], [-1.0, 0.999]])
    relu, tanh = (active_units(outputs, module) for module in (nn.ReLU(), nn.Tanh()))
    assert relu is not None
    assert tanh is not None
    assert relu.tolist() == [[False, True], [False, True]]
    assert tanh.tolist() == [[True, True], [False, False]]
    assert active_units(outputs, nn.SiLU()) is None
    assert math.isnan(active_fraction(torch.zeros(0, 3, dtype=torch.bool)))


def test_dead_units_may_be_active_in_a_hundredth_of_the_batch() -> None:
    active = torch.zeros(100, 3, dtype=torch.bool)
    active[:1, 1] = True
    active[:2, 2] = True
    assert dead_fraction(active) == pytest.approx(2 / 3)
    assert math.isnan(dead_fraction(active[:0]))
