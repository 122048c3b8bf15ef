from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from everlearn.agents.activations import ASH, CReLU, Elephant, Fourier


def test_by_hand() -> None:
    inputs = torch.tensor([[0.5, -2.0]])
    assert CReLU()(inputs).tolist() == [[0.5, 0.0, 0.0, 2.0]]
    wanted = [math.sin(0.5), math.sin(-2), math.cos(0.5), math.cos(-2)]
    assert Fourier()(inputs).tolist()[0] == pytest.approx(wanted)
    assert Elephant(width=0.5, power=8)(inputs).tolist()[0] == pytest.approx([0.5, 1 / (1 + 4**8)])
    # Mean 0 and deviation 2: the gates' inputs are 3 (x - 1).
    gates = [1 / (1 + math.exp(-3)), 1 / (1 + math.exp(9))]
    wanted = [2 * gates[0], -2 * gates[1]]
    assert ASH(3.0, 0.5)(torch.tensor([2.0, -2.0])).tolist() == pytest.approx(wanted, rel=1e-5)
    hard = ASH(3.0, 0.5, hard=True)
    # Inputs above 2 are cut off; the gate of 2 is fully open at 3 (2 - 1) = 3.
    assert hard(torch.tensor([2.0, -2.0])).tolist() == pytest.approx([2, 0], rel=1e-5)


@pytest.mark.parametrize("module", [CReLU(), Fourier(), Elephant(0.8), ASH(), ASH(hard=True)])
def test_slopes_are_those_of_finite_differences(module: nn.Module) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, (inputs,))


@pytest.mark.parametrize("seed", range(3))
def test_shares_of_hard_ash(seed: int) -> None:
    inputs = torch.randn(200, 2000, generator=torch.Generator().manual_seed(seed))
    module = ASH(sharpness=3.0, offset=2.3, hard=True)
    # It answers from offset - 3 / sharpness on, and its gate is half open at the offset.
    normal = torch.distributions.Normal(0, 1)
    answering = (module(inputs) > 0).double().mean().item()
    assert answering == pytest.approx(1 - normal.cdf(torch.tensor(1.3)).item(), rel=0.03)
    half_open = (module(inputs) >= 0.5 * inputs.clamp(0, 2)) & (inputs > 0)
    wanted = 1 - normal.cdf(torch.tensor(2.3)).item()
    assert half_open.double().mean().item() == pytest.approx(wanted, rel=0.06)


def test_layers_without_any_difference_have_slopes() -> None:
    inputs = torch.ones(2, 4, requires_grad=True)
    ASH(hard=True)(inputs).sum().backward()
    assert inputs.grad is not None
    assert torch.isfinite(inputs.grad).all()


def test_elephants_learn_locally() -> None:
    def spill(activation: nn.Module, gain: float) -> float:
        """Return how far a step at 0 moves the network at -1 and 1, relative to 0."""
        torch.manual_seed(0)
        body, output = nn.Linear(1, 1000), nn.Linear(1000, 1, bias=False)
        with torch.no_grad():
            body.weight.fill_(gain)
            body.bias.copy_(torch.linspace(-2, 2, 1000))
        network = nn.Sequential(body, activation, output)
        points = torch.tensor([[0.0], [-1.0], [1.0]])
        before = network(points).detach()
        network(points[:1]).sum().backward()
        with torch.no_grad():
            for parameter in (body.weight, body.bias, output.weight):
                assert parameter.grad is not None
                parameter.sub_(1e-5 * parameter.grad)
        moved = (network(points).detach() - before).abs().flatten()
        return (moved[1:].max() / moved[0]).item()

    assert spill(Elephant(width=0.1, power=8), 1.0) < 0.01
    assert spill(nn.ReLU(), 1.0) > 0.3
