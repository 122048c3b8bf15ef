from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from everlearn.agents import PPO, SAC
from everlearn.agents.adam import Adam
from everlearn.agents.layers import Part, hidden_layers
from everlearn.agents.plasticity.dormant_gradient_perturbation import DormantGradientPerturbation

PUBLISHED = json.loads((Path(__file__).parents[2] / "data/published_plasticity.json").read_text())


@pytest.mark.parametrize("threshold", ["0.025", "0.05", "0.5"])
def test_the_ratio_is_the_published_one(threshold: str) -> None:
    stored = PUBLISHED["ace"]
    first, second, head = nn.Linear(3, 6), nn.Linear(6, 5), nn.Linear(5, 2)
    body = nn.Sequential(first, nn.ReLU(), second, nn.ReLU())
    parameters = tuple(nn.Sequential(body, head).parameters())
    part = Part("actor", hidden_layers(body, [head]), (head,), parameters, Adam(parameters))
    for parameter, values in zip(parameters, stored["gradients"], strict=True):
        parameter.grad = torch.tensor(values)
    method = DormantGradientPerturbation(dormant_threshold=float(threshold))
    assert method.measure(part) == pytest.approx(stored["ratio"][threshold])


@pytest.mark.parametrize("backend", ["reference", "eager"])
@pytest.mark.parametrize("kind", [PPO, SAC])
def test_it_sees_the_actors_gradient(kind: type, backend: str, build: Callable[..., Any]) -> None:
    method = DormantGradientPerturbation(every_updates=None)
    agent = build(kind, methods=[method], backend=backend, policy_kwargs={"net_arch": [8, 8]})
    agent.learn(64)
    actor = agent.parts[0]
    # Nobody reads these units, so that no gradient comes to them.
    with torch.no_grad():
        for outgoing in actor.hidden[1].outgoing:
            outgoing.weight[:, :4] = 0
    agent.methods[0].every_updates = 1
    agent.methods[0].measure = lambda part: seen.append(measure(part)) or 0.0  # type: ignore[func-returns-value]
    seen: list[float] = []
    measure: Any = DormantGradientPerturbation.measure.__get__(agent.methods[0])
    agent.learn(64, reset_num_timesteps=False)
    outputs = sum(linear.out_features for linear in actor.output)
    assert seen[0] >= 4 / (16 + outputs)
