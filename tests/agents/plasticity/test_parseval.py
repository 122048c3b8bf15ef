from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from everlearn.agents.layers import Part
from everlearn.agents.plasticity.parseval import Parseval


def test_by_hand(
    make_part: Callable[..., Part], gradients: Callable[..., list[torch.Tensor]]
) -> None:
    layer, output = nn.Linear(2, 2), nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[2.0, 0.0], [1.0, 1.0]]))
    part = make_part(layer, nn.ReLU(), output)
    method = Parseval(coefficient=0.1, scale=1.0)
    method.attach([part], seed=0)
    penalty = method.regularize("actor", part.parameters)
    assert penalty is not None
    # W Wᵀ is ((4, 2), (2, 2)).
    torch.testing.assert_close(penalty.detach(), torch.tensor(0.1 * (9 + 4 + 4 + 1)))
    of_weight, *others = gradients(method, part)
    distance = torch.tensor([[3.0, 2.0], [2.0, 1.0]])
    torch.testing.assert_close(of_weight, 0.4 * distance @ layer.weight.detach())
    assert not any(gradient.any() for gradient in others)


def test_orthogonal_rows_cost_nothing(make_part: Callable[..., Part]) -> None:
    layer = nn.Linear(5, 3)
    nn.init.orthogonal_(layer.weight, gain=2.0)
    part = make_part(layer, nn.ReLU(), nn.Linear(3, 1))
    method = Parseval(scale=4.0)
    method.attach([part], seed=0)
    penalty = method.regularize("actor", part.parameters)
    assert penalty is not None
    assert penalty.item() < 1e-9


def test_alone_it_makes_rows_orthogonal(part: Part, descend: Callable[..., None]) -> None:
    method = Parseval(coefficient=1.0)
    method.attach([part], seed=0)
    descend(method, part, 500, 0.01)
    second = part.hidden[1].incoming.weight.detach()
    torch.testing.assert_close(second @ second.T, torch.eye(4), rtol=0, atol=1e-3)
    # Six rows in three dimensions can't be: their Gram matrix becomes a projection.
    first = part.hidden[0].incoming.weight.detach()
    torch.testing.assert_close(first.T @ first, torch.eye(3), rtol=0, atol=1e-3)


def test_without_hidden_layers_there_is_nothing_to_add(make_part: Callable[..., Part]) -> None:
    part = make_part(nn.Linear(3, 2))
    method = Parseval()
    method.attach([part], seed=0)
    assert method.regularize("actor", part.parameters) is None
