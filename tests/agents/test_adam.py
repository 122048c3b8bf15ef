from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from everlearn.agents.adam import CORRECTIONS, Adam
from everlearn.wrappers.errors import SettingsError

SHAPES = [(), (1,), (7,), (5, 3), (64, 33), (2, 3, 4)]
VARIANTS: list[dict[str, Any]] = [
    {"lr": 1e-3},
    {"lr": 1e-4, "betas": (0.99, 0.99), "weight_decay": 1e-4},
    {"lr": 0.5, "betas": (0.0, 0.5), "eps": 1e-5},
    {"lr": 1e-2, "weight_decay": 0.1, "decoupled_weight_decay": True},
]


def make(dtype: torch.dtype = torch.float32) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(1)
    return [nn.Parameter(torch.randn(shape, generator=generator, dtype=dtype)) for shape in SHAPES]


def give_gradients(parameters: list[nn.Parameter], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)


def all_equal(first: list[nn.Parameter], second: list[nn.Parameter]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_torch_bit_for_bit(variant: dict[str, Any], dtype: torch.dtype) -> None:
    ours, theirs = make(dtype), make(dtype)
    adam, reference = Adam(ours, **variant), torch.optim.Adam(theirs, **variant)
    for step in range(200):
        for optimizer, parameters in ((adam, ours), (reference, theirs)):
            optimizer.param_groups[0]["lr"] = variant["lr"] * (1 - step / 400)
            give_gradients(parameters, step)
            if step % 7 == 0:
                parameters[2].grad = None
            optimizer.step()
        assert all_equal(ours, theirs)


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.99, 0.99), (0.0, 0.5), (0.5, 0.0)])
def test_reset_elements_step_like_in_a_fresh_adam(betas: tuple[float, float]) -> None:
    old, new = nn.Parameter(torch.zeros(4, 3)), nn.Parameter(torch.zeros(3))
    adam, fresh = Adam([old], lr=0.1, betas=betas), torch.optim.Adam([new], lr=0.1, betas=betas)
    for step in range(50):
        give_gradients([old], step)
        adam.step()
    adam.reset(old, 2)
    untouched = copy.deepcopy(adam.state[old]["exp_avg"])
    start = old.detach().clone()
    for step in range(20):
        give_gradients([old], 100 + step)
        assert old.grad is not None
        new.grad = old.grad[2].clone()
        adam.step()
        fresh.step()
        torch.testing.assert_close((old - start)[2], new, rtol=2e-5, atol=1e-6)
        if step == 0:
            torch.testing.assert_close((old - start)[2].abs(), torch.full((3,), 0.1))
    assert not untouched[2].any()
    assert untouched[[0, 1, 3]].all()
    for key, beta in zip(CORRECTIONS, betas, strict=True):
        wanted = torch.tensor([1 - beta**steps for steps in (70, 70, 20, 70)])
        torch.testing.assert_close(adam.state[old][key][:, 0], wanted)
    assert adam.state[old]["step"].item() == 70


def test_elements_that_were_not_reset_go_on_as_before() -> None:
    ours, theirs = nn.Parameter(torch.zeros(4, 3)), nn.Parameter(torch.zeros(4, 3))
    adam, reference = Adam([ours], lr=0.1), torch.optim.Adam([theirs], lr=0.1)
    for step in range(200):
        for optimizer, parameter in ((adam, ours), (reference, theirs)):
            give_gradients([parameter], step)
            optimizer.step()
        if step == 10:
            adam.reset(ours, (slice(None), torch.tensor([1])))
    torch.testing.assert_close(ours[:, [0, 2]], theirs[:, [0, 2]], rtol=1e-5, atol=1e-6)


def test_without_reset_the_first_step_would_be_too_long() -> None:
    weight = nn.Parameter(torch.zeros(1))
    adam = torch.optim.Adam([weight], lr=1.0)
    for _ in range(10_000):
        weight.grad = torch.ones(1)
        adam.step()
    adam.state[weight]["exp_avg"].zero_()
    adam.state[weight]["exp_avg_sq"].zero_()
    before = weight.item()
    adam.step()
    assert before - weight.item() == pytest.approx(3.16, abs=0.01)


@pytest.mark.parametrize("reset", [False, True])
def test_state_round_trip(reset: bool) -> None:
    first, second = make(), make()
    one, other = Adam(first, lr=0.01), Adam(second, lr=0.02)
    for step in range(5):
        give_gradients(first, step)
        one.step()
    if reset:
        one.reset(first[3], torch.tensor([0, 2]))
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    for target, source in zip(second, first, strict=True):
        target.data.copy_(source.data)
    for step in range(5, 10):
        for optimizer, parameters in ((one, first), (other, second)):
            give_gradients(parameters, step)
            optimizer.step()
    assert all_equal(first, second)
    assert (CORRECTIONS[0] in other.state[second[3]]) is reset


@pytest.mark.parametrize("reset", [False, True])
def test_states_load_into_torch_and_back(reset: bool) -> None:
    ours, theirs = make(), make()
    adam, reference = Adam(ours, lr=0.01), torch.optim.Adam(theirs, lr=0.02)
    give_gradients(ours, 0)
    adam.step()
    if reset:
        adam.reset(ours[3], 0)
    for target, source in zip(theirs, ours, strict=True):
        target.data.copy_(source.data)
    reference.load_state_dict(copy.deepcopy(adam.state_dict()))
    give_gradients(theirs, 1)
    reference.step()
    if not reset:
        give_gradients(ours, 1)
        adam.step()
        assert all_equal(ours, theirs)
    adam.load_state_dict(reference.state_dict())
    give_gradients(ours, 2)
    adam.step()


def test_reset_before_the_first_step_and_of_no_element_is_harmless() -> None:
    ours, theirs = make(), make()
    adam, reference = Adam(ours, lr=0.01), torch.optim.Adam(theirs, lr=0.01)
    adam.reset(ours[3], 0)
    for optimizer, parameters in ((adam, ours), (reference, theirs)):
        give_gradients(parameters, 0)
        optimizer.step()
    assert all_equal(ours, theirs)
    adam.reset(ours[3], torch.empty(0, dtype=torch.int64))
    assert adam.state[ours[3]]["exp_avg"].all()


def test_closure_and_groups() -> None:
    weight, bias = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(1))
    groups: list[dict[str, Any]] = [{"params": [weight]}, {"params": [bias], "lr": 0.5}]
    adam = Adam(groups, lr=0.1)

    def closure() -> torch.Tensor:
        adam.zero_grad()
        loss = weight.sum() + bias.sum()
        loss.backward()
        return loss

    assert adam.step(closure).item() == 3
    torch.testing.assert_close(weight.data, torch.tensor([0.9, 0.9]))
    torch.testing.assert_close(bias.data, torch.tensor([0.5]))


@pytest.mark.parametrize(
    "wrong", [{"lr": -1.0}, {"eps": float("nan")}, {"weight_decay": -1}, {"betas": (0.9, 1.0)}]
)
def test_refuses(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="adam setting"):
        Adam(make(), **wrong)
