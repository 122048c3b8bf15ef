from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from everlearn.agents.adam import CORRECTIONS
from everlearn.agents.flat_adam import MOMENTS, AdamSettings, steps_flat, why_optimizer


def make() -> list[nn.Parameter]:
    return [nn.Parameter(torch.ones(3, 2)), nn.Parameter(torch.ones(2))]


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (torch.optim.Adam, {}),
        (torch.optim.Adam, {"weight_decay": 0.1, "betas": (0.5, 0.7), "eps": 1e-2}),
        (torch.optim.AdamW, {"weight_decay": 0.1}),
    ],
)
@pytest.mark.parametrize("elementwise", [False, True])
def test_steps_are_torchs(kind: Any, settings: dict[str, Any], elementwise: bool) -> None:
    weight = nn.Parameter(torch.ones(50, dtype=torch.float64))
    optimizer = kind([weight], 0.01, **settings)
    assert steps_flat(optimizer, [weight])
    adam, values = AdamSettings.of(optimizer), torch.ones(50, dtype=torch.float64)
    names = (*MOMENTS, *(CORRECTIONS if elementwise else ()))
    memory = {name: torch.zeros_like(values) for name in names}
    for step in range(1, 30):
        weight.grad = torch.randn(50, generator=torch.Generator().manual_seed(step)).double()
        optimizer.step()
        weights = [1 - beta**step for beta in adam.betas]
        adam.step(values, memory, weight.grad, 0.01, weights)
        torch.testing.assert_close(values, weight.data, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "make_optimizer",
    [
        lambda p: torch.optim.SGD(p, 0.1),
        lambda p: torch.optim.Adam(p, amsgrad=True),
        lambda p: torch.optim.AdamW(p, maximize=True),
        lambda p: torch.optim.Adam(p[::-1]),
        lambda p: torch.optim.Adam([{"params": [p[0]]}, {"params": [p[1]]}]),
    ],
)
def test_others_make_their_own_steps(make_optimizer: Any) -> None:
    parameters = make()
    optimizer = make_optimizer(parameters)
    assert not steps_flat(optimizer, parameters)
    assert why_optimizer(optimizer, parameters) is None


def test_an_optimizer_of_other_parameters_is_told() -> None:
    parameters = make()
    optimizer = torch.optim.Adam(parameters[:1])
    assert why_optimizer(optimizer, parameters) == "an optimizer of other parameters"
