from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from everlearn.agents.plasticity.lion import Lion


def optimize(weight: nn.Parameter, lr: float = 0.01, **settings: Any) -> Any:
    return Lion(**settings).optimizer([weight], lr, {"eps": 1e-5})


def test_by_hand() -> None:
    weight, decay, rate = nn.Parameter(torch.tensor([1.0, -1.0, 2.0])), 0.1, 0.01
    lion = optimize(weight, rate, weight_decay=decay)
    wanted, mean = weight.detach().clone(), torch.zeros(3)
    for step in range(20):
        gradient = torch.randn(3, generator=torch.Generator().manual_seed(step))
        gradient[2] = 0.0
        direction = (0.9 * mean + 0.1 * gradient).sign()
        mean = 0.99 * mean + 0.01 * gradient
        wanted = wanted * (1 - rate * decay) - rate * direction
        weight.grad = gradient
        lion.step()
    torch.testing.assert_close(weight.data, wanted)


@pytest.mark.parametrize("decay", [0.5, 2.0])
def test_weight_decay_bounds_the_weights(decay: float) -> None:
    weight = nn.Parameter(torch.full((50,), 10.0))
    lion = optimize(weight, 0.05, weight_decay=decay)
    for _ in range(2000):
        weight.grad = -torch.ones(50)
        lion.step()
    assert weight.abs().max().item() == pytest.approx(1 / decay, rel=1e-3)


def test_caution_leaves_out_steps_against_the_gradient() -> None:
    changes = []
    for cautious in (False, True):
        weight = nn.Parameter(torch.zeros(2))
        lion = optimize(weight, cautious=cautious)
        for _ in range(5):
            weight.grad = torch.ones(2)
            lion.step()
        before = weight.detach().clone()
        weight.grad = torch.tensor([-0.1, 0.1])
        lion.step()
        changes.append((weight.detach() - before).tolist())
    assert changes[0] == pytest.approx([-0.01, -0.01])
    assert changes[1] == pytest.approx([0.0, -0.01])


def test_it_resumes() -> None:
    whole = nn.Parameter(torch.ones(4))
    lion = optimize(whole)

    def move(optimizer: Any, weight: nn.Parameter, seed: int) -> None:
        weight.grad = torch.randn(4, generator=torch.Generator().manual_seed(seed))
        optimizer.step()

    for step in range(5):
        move(lion, whole, step)
    other = nn.Parameter(whole.detach().clone())
    resumed = optimize(other)
    resumed.load_state_dict(copy.deepcopy(lion.state_dict()))
    for step in range(5, 10):
        move(lion, whole, step)
        move(resumed, other, step)
    assert torch.equal(whole, other)
