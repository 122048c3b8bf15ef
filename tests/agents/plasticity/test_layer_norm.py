from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from everlearn.agents import SAC
from everlearn.agents.registry import make_method


def test_layer_norm_is_that_of_sacs_own_argument(build: Callable[..., Any]) -> None:
    method = build(SAC, methods=[make_method("layer-norm")]).learn(64)
    argument = build(SAC, layer_norm="both", methods=[make_method("l2", coefficient=0)]).learn(64)
    for one, other in zip(method.policy.parameters(), argument.policy.parameters(), strict=True):
        assert torch.equal(one, other)
