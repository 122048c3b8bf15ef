from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from everlearn.agents import PPO, SAC
from everlearn.agents.plasticity.resets import Resets
from everlearn.wrappers.errors import SettingsError

Parameters = dict[str, list[Tensor]]


@pytest.fixture(params=["reference", "eager"])
def reset(request: pytest.FixtureRequest, build: Callable[..., Any]) -> Callable[..., Any]:
    """Return an agent that has learned, its parts' parameters then, and what a reset does next."""

    def learn(kind: type, **settings: Any) -> tuple[Any, Parameters, Callable[[], Any]]:
        method = Resets(**{"every_steps": None, **settings})
        agent = build(kind, methods=[method], backend=request.param, learning_rate=3e-3)
        agent.learn(128)
        before = {p.name: [q.detach().clone() for q in p.parameters] for p in agent.parts}
        return agent, before, agent.methods[0]._act

    return learn


def changed(agent: Any, before: Parameters) -> dict[str, list[bool]]:
    return {
        part.name: [
            not torch.equal(old, new)
            for old, new in zip(before[part.name], part.parameters, strict=True)
        ]
        for part in agent.parts
    }


@pytest.mark.parametrize("kind", [PPO, SAC])
def test_a_full_reset_is_a_new_agent(
    kind: type, reset: Callable[..., Any], build: Callable[..., Any]
) -> None:
    agent, before, act = reset(kind)
    steps, torch_state = agent.num_timesteps, torch.get_rng_state()
    np.random.seed(9)
    seed = copy.deepcopy(agent.methods[0]).draw_seed()
    act()
    assert torch.equal(torch_state, torch.get_rng_state())
    assert np.random.rand() == np.random.RandomState(9).rand()
    assert agent.num_timesteps == steps
    assert all(all(tensors) for tensors in changed(agent, before).values())
    # The law is that of an agent with this seed.
    torch.manual_seed(seed)
    fresh = type(agent.policy)(
        agent.observation_space, agent.action_space, lambda _: 0.1, **agent.policy_kwargs
    )
    for one, other in zip(agent.policy.parameters(), fresh.parameters(), strict=True):
        assert torch.equal(one, other)
    if kind is SAC:
        assert agent.log_ent_coef.item() == 0
        assert agent.replay_buffer.size() == 128
    agent.learn(64, reset_num_timesteps=False)


@pytest.mark.parametrize("kind", [PPO, SAC])
def test_the_first_step_after_a_reset_is_a_new_agents(
    kind: type, reset: Callable[..., Any]
) -> None:
    agent, _, act = reset(kind)
    act()
    state = agent.policy.state_dict()
    fresh = copy.deepcopy({key: value.clone() for key, value in state.items()})
    for part in agent.parts:
        for parameter in part.parameters:
            parameter.grad = torch.full_like(parameter, 0.1)
    for optimizer in {id(part.optimizer): part.optimizer for part in agent.parts}.values():
        rate = optimizer.param_groups[0]["lr"]
        optimizer.step()
    for part in agent.parts:
        for parameter in part.parameters:
            name = next(n for n, p in agent.policy.named_parameters() if p is parameter)
            moved = fresh[name] - parameter
            torch.testing.assert_close(moved, torch.full_like(moved, rate), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("networks", ["actor", "critic"])
@pytest.mark.parametrize("kind", [PPO, SAC])
def test_one_network_alone(networks: Any, kind: type, reset: Callable[..., Any]) -> None:
    agent, before, act = reset(kind, networks=networks)
    if kind is SAC:
        temperature = agent.log_ent_coef.item()
        assert temperature != 0
    act()
    for name, tensors in changed(agent, before).items():
        assert all(tensors) if name.startswith(networks) else not any(tensors)
    if kind is SAC:
        assert agent.log_ent_coef.item() == (0 if networks == "actor" else temperature)


@pytest.mark.parametrize(("last_layers", "wanted"), [(1, [4, 5]), (2, [2, 3, 4, 5])])
@pytest.mark.parametrize("kind", [PPO, SAC])
def test_last_layers(
    last_layers: int, wanted: list[int], kind: type, reset: Callable[..., Any]
) -> None:
    agent, before, act = reset(kind, last_layers=last_layers)
    act()
    found = changed(agent, before)
    critic = "critic" if kind is PPO else "critic_1"
    assert [index for index, new in enumerate(found[critic]) if new] == wanted
    # The actor of SAC has two outputs; PPO's standard deviation, its first parameter, is kept.
    shift, more = (1, 0) if kind is PPO else (0, 2)
    last = len(before["actor"])
    assert [i for i, new in enumerate(found["actor"]) if new] == list(
        range(wanted[0] + shift, last)
    )
    assert last == 6 + shift + more
    if kind is SAC:
        assert agent.log_ent_coef.item() != 0


@pytest.mark.parametrize("target", ["copy", "independent", "keep"])
def test_targets(target: Any, reset: Callable[..., Any]) -> None:
    agent, _, act = reset(SAC, target=target, keep=0.9)
    old, online = (
        [p.detach().clone() for p in network.parameters()]
        for network in (agent.critic_target, agent.critic)
    )
    act()
    new = list(agent.critic_target.parameters())
    for one, before, source, now in zip(new, old, online, agent.critic.parameters(), strict=True):
        if target == "copy":
            assert torch.equal(one, now)
        elif target == "keep":
            assert torch.equal(one, before)
        else:
            noise, other = one - 0.9 * before, now - 0.9 * source
            assert 0 < noise.abs().max() <= 0.1 * 3**-0.5 + 1e-6
            assert not torch.allclose(noise, other)


def test_interpolation_by_hand(reset: Callable[..., Any]) -> None:
    agent, before, act = reset(PPO, keep=0.75)
    seed = copy.deepcopy(agent.methods[0]).draw_seed()
    act()
    for part in agent.parts:
        rows = zip(part.parameters, before[part.name], part.fresh(seed), strict=True)
        for new, old, fresh in rows:
            torch.testing.assert_close(new.data, 0.75 * old + 0.25 * fresh)


@pytest.mark.parametrize("kind", [PPO, SAC])
def test_keeping_all_changes_nothing(kind: type, reset: Callable[..., Any]) -> None:
    agent, before, act = reset(kind, keep=1.0)
    act()
    assert not any(any(tensors) for tensors in changed(agent, before).values())


def test_more_layers_than_there_are(build: Callable[..., Any]) -> None:
    with pytest.raises(SettingsError, match="must be 3 or less, as the actor has 3 layers, not 4"):
        build(PPO, methods=[Resets(last_layers=4)])


def test_another_initial_temperature(build: Callable[..., Any]) -> None:
    agent = build(SAC, methods=[Resets()], ent_coef="auto_0.1").learn(64)
    agent.methods[0]._act()
    assert agent.log_ent_coef.exp().item() == pytest.approx(0.1)
    fixed = build(SAC, methods=[Resets()], ent_coef=0.2).learn(64)
    fixed.methods[0]._act()
