from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from everlearn.agents.layers import Part
from everlearn.agents.plasticity.l2 import L2


def test_by_hand(make_part: Callable[..., Part]) -> None:
    output = nn.Linear(2, 1)
    with torch.no_grad():
        output.weight.copy_(torch.tensor([[3.0, -1.0]]))
        output.bias.fill_(2.0)
    part = make_part(output, spread=5.0)
    method = L2(coefficient=0.5)
    method.attach([part], seed=0)
    penalty = method.regularize("actor", part.parameters)
    assert penalty is not None
    assert penalty.item() == 0.5 * (9 + 1 + 4)


def test_gradient_is_twice_the_weights(
    part: Part, gradients: Callable[..., list[torch.Tensor]]
) -> None:
    method = L2(coefficient=0.1)
    method.attach([part], seed=0)
    for parameter, gradient in zip(part.parameters, gradients(method, part), strict=True):
        wanted = torch.zeros_like(parameter) if parameter is part.spread else 0.2 * parameter
        torch.testing.assert_close(gradient, wanted)


def test_alone_it_brings_all_weights_to_zero(part: Part, descend: Callable[..., None]) -> None:
    method = L2(coefficient=1.0)
    method.attach([part], seed=0)
    descend(method, part, 300, 0.02)
    assert max(weight.abs().max().item() for weight in part.weights) < 1e-2
    assert part.spread is not None
    assert part.spread.tolist() == pytest.approx([0.7, 0.7])
