from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from everlearn.agents.adam import Adam
from everlearn.agents.flat_adam import AdamSettings
from everlearn.agents.flat_optimizer import FlatOptimizer


class Plain(FlatOptimizer):
    """Adam itself."""

    def change(self, gradient: Tensor, direction: Tensor) -> None:
        pass


def make() -> tuple[list[nn.Parameter], Any]:
    parameters = [nn.Parameter(torch.ones(shape)) for shape in ((3, 2), (2,), ())]
    return parameters, Plain(parameters, 0.1, AdamSettings((0.9, 0.999), 1e-5, 0.0), 0.0)


def give(parameters: list[nn.Parameter], seed: int, missing: int | None = None) -> None:
    generator = torch.Generator().manual_seed(seed)
    for index, parameter in enumerate(parameters):
        gradient = torch.randn(parameter.shape, generator=generator)
        parameter.grad = None if index == missing else gradient


def apart(one: list[nn.Parameter], other: list[nn.Parameter]) -> float:
    return max((a - b).abs().max().item() for a, b in zip(one, other, strict=True))


def test_it_is_adam_with_resets() -> None:
    ours, flat = make()
    theirs, _ = make()
    adam = Adam(theirs, 0.1, eps=1e-5)
    for step in range(40):
        for optimizer, parameters in ((flat, ours), (adam, theirs)):
            give(parameters, step)
            optimizer.step()
            if step in (5, 20):
                optimizer.reset(parameters[0], (slice(None), 1))
                optimizer.reset(parameters[2], ...)
    assert apart(ours, theirs) < 1e-5


def test_the_state_is_that_of_a_parameter_each() -> None:
    parameters, flat = make()
    give(parameters, 0)
    flat.step()
    for parameter in parameters:
        assert {value.shape for value in flat.state[parameter].values()} == {parameter.shape}
    size = sum(value.numel() for state in flat.state.values() for value in state.values())
    assert size == 2 * 9


@pytest.mark.parametrize("known", [False, True])
def test_a_reset_right_after_loading(known: bool) -> None:
    whole, flat = make()
    for step in range(5):
        give(whole, step)
        flat.step()
    if known:
        flat.reset(whole[1], 0)
    other, loaded = make()
    for one, value in zip(other, whole, strict=True):
        one.data.copy_(value)
    loaded.load_state_dict(copy.deepcopy(flat.state_dict()))
    for optimizer, parameters in ((flat, whole), (loaded, other)):
        optimizer.reset(parameters[0], 1)
        give(parameters, 9)
        optimizer.step()
    assert apart(whole, other) == 0


def test_parameters_may_come_and_go() -> None:
    parameters, flat = make()
    for step in range(10):
        give(parameters, step, missing=step % 4)
        if step == 5:
            flat.reset(parameters[0], 0)
        before = [parameter.detach().clone() for parameter in parameters]
        flat.step()
        for index, (old, new) in enumerate(zip(before, parameters, strict=True)):
            assert torch.equal(old, new) == (index == step % 4)
            assert (old - new).abs().max() < 0.5
