"""A small part of an agent, made by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from everlearn.agents.adam import Adam
from everlearn.agents.layers import Part, hidden_layers
from everlearn.agents.method import Method


def build_part(*modules: nn.Module, name: str = "actor", spread: float | None = None) -> Part:
    """Return a part of some modules, of which the last is the output."""
    *body, output = modules
    assert isinstance(output, nn.Linear)
    extra = None if spread is None else nn.Parameter(torch.full((2,), spread))
    parameters = [p for module in modules for p in module.parameters()]
    trained = (*([] if extra is None else [extra]), *parameters)
    hidden = hidden_layers(nn.Sequential(*body), [output])
    return Part(name, hidden, (output,), trained, Adam(trained), extra)


@pytest.fixture
def part() -> Part:
    """Two hidden layers, a layer norm, an output, and a spread; weights drawn from seed 0."""
    torch.manual_seed(0)
    return build_part(
        nn.Linear(3, 6),
        nn.LayerNorm(6),
        nn.ReLU(),
        nn.Linear(6, 4),
        nn.ReLU(),
        nn.Linear(4, 2),
        spread=0.7,
    )


@pytest.fixture
def make_part() -> Callable[..., Part]:
    return build_part


@pytest.fixture
def gradients() -> Callable[[Method, Part], list[torch.Tensor]]:
    """Return the gradient of a penalty in each parameter, 0 where there is none."""

    def differentiate(method: Method, part: Part) -> list[torch.Tensor]:
        penalty = method.regularize(part.name, part.parameters)
        assert penalty is not None
        found = torch.autograd.grad(penalty, part.parameters, allow_unused=True)
        return [
            torch.zeros_like(parameter) if gradient is None else gradient
            for parameter, gradient in zip(part.parameters, found, strict=True)
        ]

    return differentiate


@pytest.fixture
def descend() -> Callable[..., None]:
    """Minimise a penalty alone."""

    def run(method: Method, part: Part, n_steps: int, rate: float) -> None:
        optimizer = torch.optim.Adam(part.parameters, lr=rate)
        for _ in range(n_steps):
            optimizer.zero_grad()
            penalty = method.penalty(part)
            assert penalty is not None
            penalty.backward()
            optimizer.step()
            with torch.no_grad():
                method.track(part.name, part.parameters)

    return run
