from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from everlearn.agents import PPO, SAC
from everlearn.agents.activations import CReLU
from everlearn.agents.registry import make_method


def test_by_hand() -> None:
    assert CReLU()(torch.tensor([[0.5, -2.0]])).tolist() == [[0.5, 0.0, 0.0, 2.0]]


@pytest.mark.parametrize("kind", [PPO, SAC])
def test_layers_of_crelu_are_seen_as_they_are(kind: Any, build: Callable[..., Any]) -> None:
    agent = build(kind, methods=[make_method("crelu"), make_method("layer-norm")])
    for part in agent.parts:
        assert [layer.incoming.out_features for layer in part.hidden] == [4, 4]
        assert [layer.width for layer in part.hidden] == [8, 8]
        assert [len(layer.between) for layer in part.hidden] == [1, 1]
    agent.learn(64)


def test_a_norm_before_crelu_loses_units_with_it(build: Callable[..., Any]) -> None:
    agent = build(PPO, methods=[make_method("layer-norm"), make_method("crelu")]).learn(64)
    (norm,) = agent.parts[0].hidden[0].between
    assert norm.normalized_shape == (4,)
    assert norm.weight.shape == (4,)
