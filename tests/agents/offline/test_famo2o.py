from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from everlearn.agents.offline import FamO2O
from everlearn.agents.offline.family import embed
from everlearn.agents.offline.family_steps import draw_coefficients, move_balance
from everlearn.agents.replay.transitions import Transitions


def data(n: int = 200) -> Transitions:
    generator = np.random.default_rng(0)
    states, actions = (generator.uniform(-1, 1, (n, d)).astype(np.float32) for d in (3, 1))
    ends = np.ones(n, np.bool_)
    return Transitions(states, actions, actions[:, 0], states, ends, ends)


def agent(**own: object) -> FamO2O:
    settings = {"policy_kwargs": {"net_arch": [16]}, "device": "cpu", "seed": 0, **own}
    return FamO2O("Pendulum-v1", data(), (2.0, 6.0), **settings)  # type: ignore[arg-type]


def test_coefficients_as_the_actor_sees_them() -> None:
    zero, quarter = embed(torch.tensor([0.0, math.pi / 2]))
    assert zero.tolist() == [0, 1, 0, 1, 0, 1]
    assert quarter[:2].tolist() == pytest.approx([1, 0], abs=1e-6)
    second = math.pi / 2 / 10_000 ** (2 / 6)
    assert quarter[2:4].tolist() == pytest.approx([math.sin(second), math.cos(second)], abs=1e-6)


def test_offline_coefficients_are_uniform_and_the_others_the_balance_models() -> None:
    torch.manual_seed(0)
    family = agent()
    states = torch.zeros(10_000, 3)
    drawn = draw_coefficients(family.policy, states, "uniform").numpy()
    assert kstest((drawn - 2) / 4, "uniform").pvalue > 0.01
    last: Any = family.policy.balance[-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor([0.5, -20.0]))
    drawn = draw_coefficients(family.policy, states, "balance").detach().numpy()
    assert drawn == pytest.approx(np.full(10_000, 2 + 2 * (math.tanh(0.5) + 1)), abs=1e-4)
    assert family.policy.choose(states)[0].detach().numpy() == pytest.approx(drawn, abs=1e-4)


def test_neither_loss_moves_the_others_network() -> None:
    family = agent()
    policy = family.policy

    def copies(module: torch.nn.Module) -> list[torch.Tensor]:
        return [parameter.detach().clone() for parameter in module.parameters()]

    def moved(module: torch.nn.Module, before: list[torch.Tensor]) -> bool:
        pairs = zip(module.parameters(), before, strict=True)
        return not all(torch.equal(one, other) for one, other in pairs)

    actor, balance = copies(policy.actor), copies(policy.balance)
    move_balance(policy, family._draw().batch.observations)
    assert moved(policy.balance, balance)
    assert not moved(policy.actor, actor)
    assert all(parameter.grad is None for parameter in policy.actor.parameters())
    with torch.no_grad():
        coefficients = draw_coefficients(policy, torch.zeros(4, 3), "uniform")
    means, _ = policy.law(torch.zeros(4, 3), coefficients)
    gradients = torch.autograd.grad(
        means.sum(), list(policy.balance.parameters()), allow_unused=True
    )
    assert all(gradient is None for gradient in gradients)
