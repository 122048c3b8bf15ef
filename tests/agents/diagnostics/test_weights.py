from __future__ import annotations

import math

import pytest
import torch

from everlearn.agents.diagnostics.weights import (
    effective_learning_rate,
    weight_change,
    weight_magnitude,
    weight_norm,
)

NAN = math.nan


def test_weight_norm_by_hand() -> None:
    assert weight_norm([torch.full((2, 2), 2.0), torch.tensor(3.0)]) == 5.0
    assert weight_norm([]) == 0.0
    assert math.isnan(weight_norm([torch.tensor([NAN])]))


def test_weight_magnitude_is_a_mean_over_elements_and_not_over_tensors() -> None:
    assert weight_magnitude([torch.tensor([-1.0]), torch.full((3,), 5.0)]) == 4.0
    assert math.isnan(weight_magnitude([]))


def test_weight_change_adds_magnitudes() -> None:
    before = [torch.zeros(2, 2), torch.tensor([1.0])]
    after = [torch.tensor([[1.0, -1.0], [0.0, 0.5]]), torch.tensor([0.0])]
    assert weight_change(before, after) == 3.5
    assert weight_change([], []) == 0.0
    with pytest.raises(ValueError, match="zip"):
        weight_change(before, after[:1])


def test_effective_learning_rate_falls_with_the_norm() -> None:
    assert effective_learning_rate(0.1, torch.full((4,), 0.5)) == pytest.approx(0.1)
    assert effective_learning_rate(0.1, torch.full((4,), 5.0)) == pytest.approx(0.01)
    assert effective_learning_rate(0.1, torch.zeros(4)) == math.inf
