from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from everlearn.agents.activations import Elephant
from everlearn.agents.registry import make_method


def test_by_hand() -> None:
    found = Elephant(width=0.5, power=8)(torch.tensor([0.5, -2.0])).tolist()
    assert found == pytest.approx([0.5, 1 / (1 + 4**8)])


def test_elephants_begin_with_biases_spread_evenly() -> None:
    network: Any = nn.Sequential(nn.Linear(3, 1000), nn.ReLU(), nn.Linear(1000, 2))
    make_method("elephant", bias_deviation=2.0).network(network)
    assert network[0].bias.std(correction=0).item() == pytest.approx(2, rel=0.01)
    assert network[0].bias.mean().item() == pytest.approx(0, abs=1e-5)


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
