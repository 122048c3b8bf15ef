from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from everlearn.agents.layers import Part
from everlearn.agents.plasticity.spectral import Spectral, iterate


def linear_layers(part: Part) -> list[nn.Linear]:
    return [*(layer.incoming for layer in part.hidden), *part.output]


def exact(part: Part, power: int) -> Tensor:
    """Return the penalty by singular value decomposition."""
    total = torch.zeros(())
    for module in linear_layers(part):
        total = total + (torch.linalg.matrix_norm(module.weight, 2) ** power - 1) ** 2
        total = total + torch.linalg.vector_norm(module.bias) ** power
    (norm,) = part.hidden[0].between
    assert isinstance(norm, nn.LayerNorm)
    return total + (norm.weight - 1).square().sum() + torch.linalg.vector_norm(norm.bias) ** power


@pytest.fixture
def settled(part: Part) -> Part:
    """A part whose norm has an offset and a scale, and power iterations that have ended."""
    with torch.no_grad():
        for parameter in part.hidden[0].between[0].parameters():
            parameter.add_(torch.randn(6))
    return part


@pytest.mark.parametrize("power", [2, 3])
def test_value_and_gradient_are_those_of_the_decomposition(
    power: int, settled: Part, gradients: Callable[..., list[Tensor]]
) -> None:
    method = Spectral(coefficient=1.0, power=power)
    method.attach([settled], seed=0)
    with torch.no_grad():
        for _ in range(50):
            method.track("actor", settled.parameters)
    penalty, wanted = method.regularize("actor", settled.parameters), exact(settled, power)
    assert penalty is not None
    torch.testing.assert_close(penalty, wanted)
    found = torch.autograd.grad(wanted, settled.weights)
    places = settled.places(settled.weights)
    of_penalty = gradients(method, settled)
    for place, gradient in zip(places, found, strict=True):
        torch.testing.assert_close(of_penalty[place], gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_power_iteration_finds_the_largest_singular_value(seed: int) -> None:
    torch.manual_seed(seed)
    weight = torch.randn(64, 32)
    left, right = (torch.nn.functional.normalize(torch.randn(size), dim=0) for size in weight.shape)
    wanted = torch.linalg.svdvals(weight)[0]
    errors = []
    for n_steps in range(1, 21):
        iterate(weight, left, right)
        if n_steps in (1, 5, 20):
            errors.append(1 - (torch.dot(left, weight @ right) / wanted).item())
    assert errors[0] > errors[1] > errors[2] >= -1e-6
    assert errors[1] < 0.15
    assert errors[2] < 0.04


def test_it_follows_weights_that_move(part: Part) -> None:
    method = Spectral()
    method.attach([part], seed=0)
    weight = part.hidden[1].incoming.weight
    with torch.no_grad():
        for _ in range(200):
            weight.add_(0.01 * torch.randn_like(weight))
            method.track("actor", part.parameters)
    left, right = method._vectors("actor_1")
    estimate = torch.dot(left, weight @ right).item()
    assert estimate == pytest.approx(torch.linalg.svdvals(weight)[0].item(), rel=0.02)


def test_weights_of_zero_do_not_end_it(part: Part) -> None:
    method = Spectral(coefficient=1.0)
    method.attach([part], seed=0)
    weight = part.hidden[0].incoming.weight
    kept = weight.detach().clone()
    with torch.no_grad():
        weight.zero_()
        method.track("actor", part.parameters)
        weight.copy_(kept)
        for _ in range(50):
            method.track("actor", part.parameters)
    left, right = method._vectors("actor_0")
    largest = torch.linalg.svdvals(weight)[0]
    torch.testing.assert_close(torch.dot(left, weight @ right), largest, rtol=1e-3, atol=0)


def test_alone_it_brings_the_largest_values_to_one(
    part: Part, descend: Callable[..., None]
) -> None:
    method = Spectral(coefficient=1.0)
    method.attach([part], seed=0)
    descend(method, part, 400, 0.01)
    for module in linear_layers(part):
        assert torch.linalg.svdvals(module.weight)[0].item() == pytest.approx(1, abs=0.01)
        assert module.bias.abs().max() < 0.01


def test_output_layers_may_be_left_alone(
    part: Part, gradients: Callable[..., list[Tensor]]
) -> None:
    method = Spectral(output_layers=False)
    method.attach([part], seed=0)
    found = gradients(method, part)
    for place in part.places([part.output[0].weight, part.output[0].bias]):
        assert not found[place].any()
    assert found[part.places([part.hidden[1].incoming.weight])[0]].any()
