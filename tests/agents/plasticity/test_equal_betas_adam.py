from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from everlearn.agents import PPO, SAC
from everlearn.agents.adam import Adam
from everlearn.agents.plasticity.equal_betas_adam import EqualBetasAdam


@pytest.mark.parametrize(
    ("method", "decay", "decoupled"),
    [
        (EqualBetasAdam(), 0.3, False),
        (EqualBetasAdam(beta=0.9, weight_decay=0.0), 0.0, False),
        (EqualBetasAdam(weight_decay=1e-4, decoupled=True), 1e-4, True),
    ],
)
def test_settings_reach_the_optimizer(
    method: EqualBetasAdam, decay: float, decoupled: bool
) -> None:
    weight = nn.Parameter(torch.ones(2))
    settings = {"betas": (0.8, 0.9), "eps": 1e-5, "weight_decay": 0.3}
    optimizer = method.optimizer([weight], 0.1, settings)
    assert type(optimizer) is Adam
    (group,) = optimizer.param_groups
    assert (group["betas"], group["eps"]) == ((method.beta, method.beta), 1e-5)
    assert (group["weight_decay"], group["decoupled_weight_decay"]) == (decay, decoupled)


def test_a_jump_of_the_gradient_moves_less_far_than_with_torchs_betas() -> None:
    longest = []
    for optimizer_of in (lambda w: EqualBetasAdam().optimizer([w], 1.0, {}), torch.optim.Adam):
        weight = nn.Parameter(torch.zeros(1))
        optimizer = optimizer_of(weight) if optimizer_of is not torch.optim.Adam else None
        optimizer = optimizer or torch.optim.Adam([weight], 1.0)
        steps = []
        for step in range(600):
            before = weight.item()
            weight.grad = torch.tensor([1e-3 if step < 500 else 1.0])
            optimizer.step()
            steps.append(abs(weight.item() - before))
        longest.append(max(steps))
    ours, torchs = longest
    assert ours < 1.01
    assert torchs > 3


@pytest.mark.parametrize("kind", [PPO, SAC])
def test_it_keeps_the_fast_path(kind: type, build: Callable[..., Any]) -> None:
    agent = build(kind, methods=[EqualBetasAdam(weight_decay=0.1, decoupled=True)], backend="eager")
    flat = agent._learner.flat if kind is PPO else agent._learner.critic
    assert flat.fused
    agent.learn(128)
