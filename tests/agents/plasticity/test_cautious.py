from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from pytorch_optimizer.base.optimizer import BaseOptimizer
from torch import nn

from everlearn.agents.adam import Adam
from everlearn.agents.plasticity.cautious import Cautious

SHAPES: list[tuple[int, ...]] = [(5, 3), (5,), (1,), ()]
SETTINGS: dict[str, Any] = {"betas": (0.8, 0.95), "eps": 1e-5}


def make() -> list[nn.Parameter]:
    return [nn.Parameter(torch.ones(shape)) for shape in SHAPES]


def give(parameters: list[nn.Parameter], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def optimize(parameters: list[nn.Parameter], **own: Any) -> Any:
    return Cautious().optimizer(parameters, 0.1, SETTINGS | own)


def test_it_is_adam_with_the_librarys_mask() -> None:
    ours, theirs = make(), make()
    cautious, adam = optimize(ours), Adam(theirs, 0.1, **SETTINGS)
    differs = False
    for step in range(60):
        before = [parameter.detach().clone() for parameter in theirs]
        give(ours, step)
        give(theirs, step)
        cautious.step()
        adam.step()
        for one, other, start in zip(ours, theirs, before, strict=True):
            update = start - other.detach()
            plain = update.clone()
            assert other.grad is not None
            BaseOptimizer.apply_cautious(update, other.grad)
            differs |= not torch.equal(plain, update)
            other.data.copy_(start - update)
            torch.testing.assert_close(one.data, other.data, rtol=1e-5, atol=1e-6)
    assert differs


def test_steps_against_the_gradient_are_left_out() -> None:
    weight = nn.Parameter(torch.zeros(2))
    cautious = optimize([weight])
    for _ in range(5):
        weight.grad = torch.ones(2)
        cautious.step()
    before = weight.detach().clone()
    weight.grad = torch.tensor([-0.1, 0.1])
    cautious.step()
    assert weight[0] == before[0]
    assert weight[1] < before[1]


def test_weight_decay_is_decoupled() -> None:
    weight = nn.Parameter(torch.tensor([2.0]))
    cautious = optimize([weight], weight_decay=0.5)
    weight.grad = torch.zeros(1)
    cautious.step()
    assert weight.item() == pytest.approx(2 * (1 - 0.1 * 0.5))


def test_it_resumes_and_resets() -> None:
    whole, first = make(), make()
    straight, stopped = optimize(whole), optimize(first)
    for step in range(8):
        give(whole, step)
        give(first, step)
        straight.step()
        stopped.step()
        if step == 4:
            for optimizer, parameters in ((straight, whole), (stopped, first)):
                optimizer.reset(parameters[0], (slice(None), 1))
    assert not torch.equal(whole[0].data, torch.ones(5, 3))
    second = [nn.Parameter(parameter.detach().clone()) for parameter in first]
    resumed = optimize(second)
    resumed.load_state_dict(copy.deepcopy(stopped.state_dict()))
    for step in range(8, 16):
        give(whole, step)
        give(second, step)
        straight.step()
        resumed.step()
    assert all(torch.equal(one, other) for one, other in zip(whole, second, strict=True))


def test_reset_weights_step_as_new_ones() -> None:
    weight = nn.Parameter(torch.zeros(4))
    cautious = optimize([weight])
    for _ in range(20):
        weight.grad = torch.full((4,), 3.0)
        cautious.step()
    cautious.reset(weight, 0)
    weight.data.zero_()
    weight.grad = torch.full((4,), 3.0)
    cautious.step()
    # All four agree: the mask scales by 4 / 5.
    torch.testing.assert_close(weight.data, torch.full((4,), -0.08), rtol=1e-3, atol=0)
