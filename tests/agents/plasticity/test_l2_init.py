from __future__ import annotations

from collections.abc import Callable

import torch

from everlearn.agents.layers import Part
from everlearn.agents.plasticity.l2_init import L2Init


def perturb(part: Part) -> list[torch.Tensor]:
    """Move every parameter, and return where it was."""
    before = [parameter.detach().clone() for parameter in part.parameters]
    with torch.no_grad():
        for parameter in part.parameters:
            parameter.add_(torch.randn_like(parameter))
    return before


def test_by_hand(part: Part, gradients: Callable[..., list[torch.Tensor]]) -> None:
    method = L2Init(coefficient=0.1)
    method.attach([part], seed=0)
    penalty = method.regularize("actor", part.parameters)
    assert penalty is not None
    assert penalty.item() == 0
    with torch.no_grad():
        part.hidden[0].incoming.weight[1, 2] += 3
        part.output[0].bias[0] -= 1
    moved = method.regularize("actor", part.parameters)
    assert moved is not None
    torch.testing.assert_close(moved.detach(), torch.tensor(0.1 * (9 + 1)))
    found = gradients(method, part)
    index = part.places([part.hidden[0].incoming.weight])[0]
    wanted = torch.zeros(6, 3)
    wanted[1, 2] = 0.2 * 3
    torch.testing.assert_close(found[index], wanted)


def test_alone_it_brings_all_weights_back(part: Part, descend: Callable[..., None]) -> None:
    method = L2Init(coefficient=1.0)
    method.attach([part], seed=0)
    before = perturb(part)
    moved = None if part.spread is None else part.spread.detach().clone()
    descend(method, part, 500, 0.02)
    for parameter, wanted in zip(part.parameters, before, strict=True):
        if parameter is part.spread:
            assert moved is not None
            assert torch.equal(parameter, moved)
        else:
            torch.testing.assert_close(parameter.detach(), wanted, rtol=0, atol=1e-3)
