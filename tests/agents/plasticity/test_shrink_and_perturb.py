from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from everlearn.agents import PPO, SAC
from everlearn.agents.layers import Part
from everlearn.agents.plasticity.shrink_and_perturb import ShrinkAndPerturb


def make_part() -> Part:
    parameters = tuple(torch.nn.Parameter(torch.full((60, 50), value)) for value in (1.0, -2.0))
    return Part("actor", (), (), parameters, torch.optim.SGD(parameters))


def act(part: Part, times: int = 1, **settings: Any) -> None:
    method = ShrinkAndPerturb(**settings)
    method.attach([part], seed=3)
    with torch.no_grad():
        for _ in range(times):
            method.after_step(part)


def test_shrinking_by_hand() -> None:
    part = make_part()
    act(part, times=2, shrink=0.1, noise=0.0)
    torch.testing.assert_close(part.parameters[0].data, torch.full((60, 50), 0.81))
    torch.testing.assert_close(part.parameters[1].data, torch.full((60, 50), -1.62))


def test_noise_is_standard_normal_and_new_each_time() -> None:
    part = make_part()
    before = torch.get_rng_state()
    act(part, times=4, shrink=0.0, noise=0.5)
    assert torch.equal(before, torch.get_rng_state())
    noise = part.parameters[0] - 1
    # Four independent draws of deviation 0.5, and 3000 elements; one draw four times would be 2.
    assert abs(noise.mean()) < 0.1
    assert noise.std().item() == pytest.approx(1.0, rel=0.05)


def test_every_so_many_updates() -> None:
    part = make_part()
    act(part, times=7, every_updates=3, shrink=0.5, noise=0.0)
    assert part.parameters[0][0, 0].item() == 0.25


@pytest.mark.parametrize("kind", [PPO, SAC])
def test_noise_of_the_networks_own_law(kind: type, build: Callable[..., Any]) -> None:
    method = ShrinkAndPerturb(every_updates=None, shrink=0.4, noise=0.1, law="network")
    agent = build(kind, methods=[method]).learn(64)
    before = [p.detach().clone() for p in agent.policy.parameters()]
    optimizer = agent.parts[0].optimizer
    memory = [s["exp_avg"].clone() for s in optimizer.state.values()]
    agent.methods[0]._act()
    trained = {id(p) for part in agent.parts for p in part.parameters}
    for new, old in zip(agent.policy.parameters(), before, strict=True):
        noise = new.detach() - 0.6 * old
        if id(new) not in trained:
            assert torch.equal(new, old)
        elif kind is SAC and new.ndim == 2:
            # The uniform law of torch's linear layers.
            assert 0 < noise.abs().max() <= 0.1 / new.shape[1] ** 0.5 + 1e-6
    kept = [s["exp_avg"] for s in optimizer.state.values()]
    assert all(torch.equal(*pair) for pair in zip(memory, kept, strict=True))
