from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from everlearn.agents.networks import Differentiated, Gradients, make_chain

NORMS: list[dict[str, Any]] = [
    {},
    {"bias": False},
    {"elementwise_affine": False},
    {"eps": 0.1},
]


@pytest.mark.parametrize("settings", NORMS)
@pytest.mark.parametrize("norm_first", [False, True])
def test_the_gradient_of_layer_norm_is_autograds(
    settings: dict[str, Any], norm_first: bool
) -> None:
    torch.manual_seed(0)
    body = nn.Sequential(
        *([nn.LayerNorm(3, **settings)] if norm_first else []),
        nn.Linear(3, 8),
        nn.LayerNorm(8, **settings),
        nn.Tanh(),
        nn.Linear(8, 2),
    )
    parameters = list(body.parameters())
    with torch.no_grad():
        for parameter in parameters:
            parameter.normal_()
    chain = make_chain([body], parameters)
    assert not any(isinstance(step, Differentiated) for step in chain.steps)
    inputs, upstream = torch.randn(5, 3), torch.randn(5, 2)
    outputs = body(inputs)
    wanted = torch.autograd.grad(outputs, parameters, upstream)
    gradients: Gradients = {}
    with torch.no_grad():
        trace = chain.forward(parameters, inputs)
        chain.backward(parameters, trace, upstream, gradients)
    torch.testing.assert_close(trace[-1], outputs)
    for position, gradient in enumerate(wanted):
        torch.testing.assert_close(gradients[position], gradient)
