from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from everlearn.agents import PPO
from everlearn.agents.registry import make_method


def test_weight_norm_begins_as_the_function_it_was(build: Callable[..., Any]) -> None:
    agent, plain = build(PPO, methods=[make_method("weight-norm")]), build()
    observations = torch.randn(5, 3)
    torch.testing.assert_close(
        agent.policy.predict_values(observations), plain.policy.predict_values(observations)
    )
    agent.learn(64)
    layer = agent.parts[0].hidden[0].incoming
    lengths = layer.parametrizations.weight.original0.flatten()
    torch.testing.assert_close(layer.weight.norm(dim=1), lengths)
    assert agent.backend_in_use == "reference"
