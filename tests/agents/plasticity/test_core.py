from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from everlearn.agents import PPO
from everlearn.agents.plasticity.core import CoRe
from everlearn.agents.plasticity.infinite_schedule import InfiniteSchedule
from everlearn.wrappers.errors import SettingsError


def optimize(weight: nn.Parameter, lr: float = 1e-4, **settings: Any) -> Any:
    return CoRe(**settings).optimizer([weight], lr, {"eps": 1e-5})


def move(optimizer: Any, weight: nn.Parameter, gradient: torch.Tensor) -> torch.Tensor:
    before = weight.detach().clone()
    weight.grad = gradient
    optimizer.step()
    return weight.detach() - before


def test_steps_grow_while_the_sign_stays_and_shrink_where_it_changes() -> None:
    weight = nn.Parameter(torch.zeros(2))
    core = optimize(weight, weight_decay=0.0)
    sizes = []
    for step in range(40):
        # Twice as strong each time, so that the momentum changes its sign, too.
        alternating = (-2.0) ** step
        move(core, weight, torch.tensor([1.0, alternating]))
        sizes.append(core.state[weight]["step_size"].clone())
    growing, shrinking = torch.stack(sizes).T
    wanted = [1e-4 * 1.2**step for step in range(13)]
    assert growing[:13].tolist() == pytest.approx(wanted, rel=1e-4)
    assert growing[-1].item() == pytest.approx(1e-3)
    assert shrinking[3].item() == pytest.approx(1e-4 * 0.7375**3, rel=1e-4)
    assert shrinking[-1].item() == pytest.approx(1e-6)


def test_weights_that_served_most_are_frozen() -> None:
    weight = nn.Parameter(torch.zeros(4))
    core = optimize(weight, score_history=10, frozen=0.5)
    for _ in range(15):
        change = move(core, weight, torch.tensor([9.0, 1.0, 5.0, 0.1]))
    assert change.ne(0).tolist() == [False, True, False, True]


def test_it_resumes_and_resets() -> None:
    whole = nn.Parameter(torch.ones(4))
    core = optimize(whole, score_history=3, frozen=0.25)
    for step in range(8):
        move(core, whole, torch.randn(4, generator=torch.Generator().manual_seed(step)))
    core.reset(whole, 2)
    state = core.state[whole]
    assert state["step_size"][2] == 1e-4
    assert not any(state[name][2] for name in ("prev_1", "prev_2", "score"))
    assert all(state[name][1] for name in ("prev_1", "prev_2"))
    other = nn.Parameter(whole.detach().clone())
    resumed = optimize(other, score_history=3, frozen=0.25)
    resumed.load_state_dict(copy.deepcopy(core.state_dict()))
    for step in range(8, 16):
        gradient = torch.randn(4, generator=torch.Generator().manual_seed(step))
        move(core, whole, gradient)
        move(resumed, other, gradient)
    assert torch.equal(whole, other)


def test_a_schedule_is_refused(build: Callable[..., Any]) -> None:
    with pytest.raises(SettingsError, match="takes it only to begin with"):
        build(PPO, methods=[CoRe(), InfiniteSchedule()])
