from __future__ import annotations

import copy
from typing import Any

import pytest
import pytorch_optimizer
import torch
from torch import nn

from everlearn.agents.plasticity.trac import TRAC

SHAPES: list[tuple[int, ...]] = [(6, 3), (6,)]


def make() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    weight, bias = (torch.randn(shape, generator=generator) for shape in SHAPES)
    return [nn.Parameter(weight), nn.Parameter(bias * 0)]


def give(parameters: list[nn.Parameter]) -> None:
    """The gradient of a bowl around 3."""
    for parameter in parameters:
        parameter.grad = parameter.detach() - 3


def optimize(parameters: list[nn.Parameter], scale: float = 1e-3) -> Any:
    return TRAC(initial_scale=scale).optimizer(parameters, 0.01, {"eps": 1e-5})


def apart(one: list[nn.Parameter], other: list[nn.Parameter]) -> float:
    return max((a - b).abs().max().item() for a, b in zip(one, other, strict=True))


def test_it_is_the_librarys_around_torchs_adam() -> None:
    ours, theirs = make(), make()
    trac = optimize(ours)
    adam = torch.optim.Adam(theirs, 0.01, eps=1e-5)
    library = pytorch_optimizer.TRAC(adam, s_prev=1e-3)
    for _ in range(100):
        for optimizer, parameters in ((trac, ours), (library, theirs)):
            give(parameters)
            optimizer.step()
    assert apart(ours, theirs) == 0
    assert apart(ours, make()) > 0.1


def test_it_begins_slowly_and_finds_its_scale() -> None:
    parameters = make()
    trac = optimize(parameters, 1e-8)
    moved = []
    for step in range(400):
        give(parameters)
        trac.step()
        if step in (20, 399):
            moved.append(apart(parameters, make()))
    assert moved[0] < 1e-4
    assert moved[1] > 0.5


def test_it_resumes() -> None:
    whole = make()
    trac = optimize(whole)
    for _ in range(30):
        give(whole)
        trac.step()
    other = [nn.Parameter(parameter.detach().clone()) for parameter in whole]
    resumed = optimize(other)
    resumed.load_state_dict(copy.deepcopy(trac.state_dict()))
    for _ in range(30):
        for optimizer, parameters in ((trac, whole), (resumed, other)):
            give(parameters)
            optimizer.step()
    assert apart(whole, other) == 0


def test_reset_weights_begin_where_they_are() -> None:
    parameters = make()
    trac = optimize(parameters)
    trac.reset(parameters[0], 1)
    for _ in range(50):
        give(parameters)
        trac.step()
    weight, bias = parameters
    weight.data[1] = 7.0
    trac.reset(weight, 1)
    reference = trac.state["trac"]
    assert reference[weight][1].tolist() == [7.0] * 3
    assert torch.equal(reference[weight][2], make()[0][2])
    assert torch.equal(reference[bias], make()[1])
    assert not trac.state[weight]["exp_avg"][1].any()
    give(parameters)
    trac.step()
    wanted = 7 - 0.01 * reference["s"].item()
    assert weight[1].tolist() == pytest.approx([wanted] * 3, rel=1e-5)
    assert wanted < 7
