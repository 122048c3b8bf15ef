from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch import nn

from everlearn.agents.layers import Part
from everlearn.agents.plasticity.wasserstein import Wasserstein


def value(method: Wasserstein, part: Part) -> float:
    penalty = method.regularize(part.name, part.parameters)
    assert penalty is not None
    return penalty.item()


def test_by_hand(make_part: Callable[..., Part]) -> None:
    output = nn.Linear(3, 1)
    with torch.no_grad():
        output.weight.copy_(torch.tensor([[1.0, 2.0, 4.0]]))
    part = make_part(output)
    method = Wasserstein(coefficient=0.5)
    method.attach([part], seed=0)
    with torch.no_grad():
        output.weight.copy_(torch.tensor([[5.0, 1.5, 2.0]]))
    # Sorted: 1.5, 2, 5 beside 1, 2, 4.
    assert value(method, part) == 0.5 * (0.25 + 0 + 1)
    penalty = method.regularize("actor", part.parameters)
    assert penalty is not None
    (gradient,) = torch.autograd.grad(penalty, [output.weight])
    assert gradient.tolist() == [[1.0, 0.5, 0.0]]


def test_weights_that_change_places_cost_nothing(part: Part) -> None:
    method = Wasserstein(coefficient=1.0)
    method.attach([part], seed=0)
    with torch.no_grad():
        for weight in part.weights:
            weight.copy_(weight.flatten()[torch.randperm(weight.numel())].view_as(weight))
    assert value(method, part) == 0
    with torch.no_grad():
        # The same values in another matrix are another matter.
        norm = part.hidden[0].between[0]
        assert isinstance(norm, nn.LayerNorm)
        first, second = part.hidden[0].incoming.bias, norm.bias
        one, other = first.clone(), second.clone()
        first.copy_(other)
        second.copy_(one)
    assert value(method, part) > 0


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_distance_of_two_samples(seed: int, make_part: Callable[..., Part]) -> None:
    torch.manual_seed(seed)
    output = nn.Linear(12, 1, bias=False)
    part = make_part(output)
    before = output.weight.detach().flatten().clone()
    method = Wasserstein(coefficient=1.0)
    method.attach([part], seed=0)
    with torch.no_grad():
        output.weight.add_(torch.randn(1, 12))
    after = output.weight.detach().flatten()
    # The best of all pairings, found by another way: an assignment problem.
    costs = (after[:, None] - before[None, :]).square().numpy()
    rows, columns = linear_sum_assignment(costs)
    assert value(method, part) == pytest.approx(costs[rows, columns].sum(), rel=1e-5)
