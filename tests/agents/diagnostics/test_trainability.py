from __future__ import annotations

from typing import Any

import torch
from torch import nn

from everlearn.agents.diagnostics.trainability import trainability


def network() -> nn.Sequential:
    generator = torch.Generator().manual_seed(0)
    made = nn.Sequential(
        nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)
    )
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(std=0.3, generator=generator)
    return made


def probe(measured: nn.Sequential, **settings: float) -> float:
    inputs = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
    return trainability(measured, inputs, torch.Generator().manual_seed(2), **settings)  # type: ignore[arg-type]


def test_a_healthy_network_learns_more_than_a_dying_and_a_dead_one() -> None:
    healthy, dying, dead = network(), network(), network()
    with torch.no_grad():
        for one, n_killed in ((dying, 56), (dead, 64)):
            bias: Any = one[2].bias
            bias[:n_killed] = -100
    values = [probe(one, steps=200) for one in (healthy, dying, dead)]
    assert values[0] > values[1] + 0.2
    assert values[1] > values[2] + 0.2
    # A bias alone learns the mean of the targets.
    assert abs(values[2]) < 0.1


def test_it_leaves_no_trace_and_repeats_itself() -> None:
    measured = network()
    before = [parameter.clone() for parameter in measured.parameters()]
    state = torch.get_rng_state()
    assert probe(measured) == probe(measured)
    assert torch.equal(state, torch.get_rng_state())
    for parameter, value in zip(measured.parameters(), before, strict=True):
        assert torch.equal(parameter, value)
        assert parameter.grad is None


def test_large_outputs_are_no_harder() -> None:
    measured, shifted = network(), network()
    with torch.no_grad():
        bias: Any = shifted[-1].bias
        bias += 1000
    assert abs(probe(measured) - probe(shifted)) < 0.01
