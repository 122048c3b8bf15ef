from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from everlearn.agents import PPO
from everlearn.agents.adam import Adam
from everlearn.agents.diagnostics import diagnose, dormant_fraction, effective_rank, weight_norm
from everlearn.agents.layers import Part, hidden_layers

NAN = math.nan


def test_dormant_fraction_by_hand() -> None:
    # Mean magnitudes 2, 0.05, 0 and 1.95: their mean is 1, so they are the scores.
    features = torch.tensor([[2.0, 0.1, 0.0, -3.0], [-2.0, 0.0, 0.0, 0.9]])
    assert dormant_fraction(features, 0.025) == 0.25
    assert dormant_fraction(features, 0.06) == 0.5
    assert dormant_fraction(features, 0.0) == 0.25
    assert dormant_fraction(features * 1e-6, 0.025) == 0.25


@pytest.mark.parametrize(
    ("features", "wanted"),
    [
        (torch.zeros(3, 4), 1.0),
        (torch.full((3, 4), 7.0), 0.0),
        (torch.zeros(3, 0), 0.0),
        (torch.zeros(0, 4), NAN),
        (torch.tensor([[1.0, NAN]]), NAN),
        (torch.tensor([[1.0, math.inf]]), NAN),
    ],
)
def test_dormant_fraction_edges(features: torch.Tensor, wanted: float) -> None:
    assert dormant_fraction(features) == pytest.approx(wanted, nan_ok=True)


def test_effective_rank_golden() -> None:
    values = torch.tensor([10, 5, 1, 0.5, 0.1, 0.05, 0.01])
    assert effective_rank(torch.diag(values)) == pytest.approx(2.703, abs=5e-4)
    shares = values.double() / values.double().sum()
    by_hand = math.exp(-sum(share * math.log(share) for share in shares.tolist()))
    generator = torch.Generator().manual_seed(0)
    rotation, _ = torch.linalg.qr(torch.randn(7, 7, generator=generator))
    rotated = rotation @ torch.diag(values)
    assert effective_rank(rotated) == pytest.approx(by_hand, rel=1e-5)
    assert effective_rank(100 * rotated.T) == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize(
    ("features", "wanted"),
    [
        (torch.zeros(3, 4), 0.0),
        (torch.full((3, 4), 2.0), 1.0),
        (torch.eye(5)[:, :3], 3.0),
        (torch.zeros(3, 0), 0.0),
        (torch.zeros(0, 4), 0.0),
        (torch.tensor([[1.0, NAN]]), NAN),
        (torch.tensor([[1.0, math.inf]]), NAN),
    ],
)
def test_effective_rank_edges(features: torch.Tensor, wanted: float) -> None:
    assert effective_rank(features) == pytest.approx(wanted, nan_ok=True)


def test_weight_norm_by_hand() -> None:
    assert weight_norm([torch.full((2, 2), 2.0), torch.tensor(3.0)]) == 5.0
    assert weight_norm([]) == 0.0
    assert math.isnan(weight_norm([torch.tensor([NAN])]))


def test_diagnose_by_hand_leaves_modes_and_features() -> None:
    body = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Dropout(0.9), nn.Linear(2, 2), nn.ReLU())
    output, bare = nn.Linear(2, 1), nn.Linear(1, 1)
    with torch.no_grad():
        for parameter in (*body.parameters(), *output.parameters(), *bare.parameters()):
            parameter.fill_(float(parameter.ndim - 1))
        first, _, second, _ = body.parameters()
        first[1] = -1.0
        second[1] = 0.0
    whole = nn.ModuleList([body, output, bare])
    body[2].eval()
    modes = [module.training for module in whole.modules()]
    parameters = tuple(body.parameters()) + tuple(output.parameters())
    optimizer = Adam(whole.parameters())
    parts = [
        Part("actor", hidden_layers(body, [output]), (output,), parameters, optimizer),
        Part("critic", (), (bare,), tuple(bare.parameters()), optimizer),
    ]
    batch = torch.tensor([[1.0], [2.0]])
    before = torch.get_rng_state()
    measured = diagnose(parts, whole, lambda: (output(body(batch)), bare(batch)))
    # The first layer's units give x and 0, the second's x and 0 as well; the norm is that of
    # (1, -1), ((1, 1), (0, 0)) and (1, 1).
    assert measured == {
        "plasticity/actor/dormant_fraction": 0.5,
        "plasticity/actor/effective_rank": pytest.approx(1.0),
        "plasticity/actor/weight_norm": pytest.approx(math.sqrt(6)),
        "plasticity/critic/weight_norm": 1.0,
    }
    assert modes == [module.training for module in whole.modules()]
    assert all(layer.features is None for layer in parts[0].hidden)
    assert not output._forward_pre_hooks
    assert torch.equal(before, torch.get_rng_state())


def test_modes_come_back_when_the_forward_pass_fails() -> None:
    whole = nn.Sequential(nn.Linear(1, 1))

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        diagnose([], whole, fail)
    assert whole.training
    assert whole[0].training


def test_agent_diagnoses_at_most_512_observations(build: Callable[..., Any]) -> None:
    agent = build(PPO, n_steps=1200, batch_size=1200, n_epochs=1).learn(1200)
    seen: list[int] = []
    agent.policy.value_net.register_forward_hook(
        lambda module, inputs, output: seen.append(len(output))
    )
    measured = agent._diagnose()
    assert seen == [512]
    assert set(measured) == {
        f"plasticity/{part}/{name}"
        for part in ("actor", "critic")
        for name in ("dormant_fraction", "effective_rank", "weight_norm")
    }
