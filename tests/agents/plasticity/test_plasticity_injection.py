from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import stable_baselines3
import torch
from torch import Tensor, nn

from everlearn.agents import PPO, SAC
from everlearn.agents.plasticity.plasticity_injection import PlasticityInjection
from everlearn.wrappers.errors import SettingsError


def outputs_of(agent: Any) -> list[Tensor]:
    torch.manual_seed(0)
    observations = torch.randn(20, 3)
    with torch.no_grad():
        if isinstance(agent, stable_baselines3.PPO):
            values, log_probs, _ = agent.policy.evaluate_actions(observations, torch.ones(20, 1))
            return [values, log_probs]
        means, log_stds, _ = agent.actor.get_action_dist_params(observations)
        actions = torch.ones(20, 1)
        critics = (agent.critic, agent.critic_target)
        return [means, log_stds, *(q for c in critics for q in c(observations, actions))]


def injections_of(agent: Any) -> list[Any]:
    return agent.methods[0].switch.injections


@pytest.mark.parametrize("last_layers", [0, 1, 2])
@pytest.mark.parametrize("kind", [PPO, SAC])
def test_an_injection_changes_no_output(
    last_layers: int, kind: type, build: Callable[..., Any]
) -> None:
    agent = build(kind, methods=[PlasticityInjection(last_layers=last_layers)]).learn(64)
    before, generators = outputs_of(agent), torch.get_rng_state()
    heads = [[p.detach().clone() for p in one._head] for one in injections_of(agent)]
    assert agent.methods[0].after_iteration() == {"plasticity/plasticity_injection": 0}
    agent.methods[0].on_change({})
    assert torch.equal(generators, torch.get_rng_state())
    assert agent.methods[0].after_iteration() == {"plasticity/plasticity_injection": 1}
    for old, new in zip(before, outputs_of(agent), strict=True):
        assert torch.equal(old, new)
    # PPO has a head for actions and one for values; SAC two for actions, and two critics' twice.
    assert len(heads) == (2 if kind is PPO else 6)
    for injection, head in zip(injections_of(agent), heads, strict=True):
        for old, new, copy in zip(
            head, injection.new.parameters(), injection.old.parameters(), strict=True
        ):
            assert torch.equal(new, copy)
            assert old.ndim == 1 or not torch.equal(old, new)


@pytest.mark.parametrize("kind", [PPO, SAC])
def test_only_the_new_copy_learns(kind: type, build: Callable[..., Any]) -> None:
    agent = build(kind, methods=[PlasticityInjection()]).learn(64)
    agent.methods[0].on_change({})
    before = {n: p.detach().clone() for n, p in agent.policy.named_parameters()}
    agent.learn(128, reset_num_timesteps=False)
    moved = {n for n, p in agent.policy.named_parameters() if not torch.equal(p, before[n])}
    online = [one for one in injections_of(agent) if not is_target(agent, one)]
    names = {id(p): n for n, p in agent.policy.named_parameters()}
    for injection in online:
        assert {names[id(p)] for p in injection.new.parameters()} <= moved
        assert not {names[id(p)] for p in injection.old.parameters()} & moved
        assert not {names[id(p)] for p in injection._head} & moved
    # What lies below goes on learning.
    assert names[id(agent.parts[0].hidden[0].incoming.weight)] in moved


def is_target(agent: Any, injection: nn.Module) -> bool:
    return isinstance(agent, SAC) and any(
        module is injection for module in agent.critic_target.modules()
    )


@pytest.mark.parametrize("kind", [PPO, SAC])
def test_each_parameter_that_learns_is_in_one_group(kind: type, build: Callable[..., Any]) -> None:
    agent = build(kind, methods=[PlasticityInjection()]).learn(64)
    for _ in range(2):
        optimizers = {id(part.optimizer): part.optimizer for part in agent.parts}.values()
        groups = [id(p) for o in optimizers for g in o.param_groups for p in g["params"]]
        learning = [id(p) for part in agent.parts for p in part.parameters if p.requires_grad]
        assert len(set(groups)) == len(groups)
        assert set(learning) <= set(groups)
        assert len(set(learning)) == len(learning)
        agent.methods[0].on_change({})


@pytest.mark.parametrize("kind", [PPO, SAC])
def test_targets_get_the_same_copies(kind: type, build: Callable[..., Any]) -> None:
    agent = build(SAC, methods=[PlasticityInjection(networks="critic")]).learn(64)
    agent.methods[0].on_change({})
    assert len(injections_of(agent)) == 4
    pairs = zip(agent.critic.q_networks, agent.critic_target.q_networks, strict=True)
    for one, other in pairs:
        for parameter, target in zip(
            one[-1].injection.parameters(), other[-1].injection.parameters(), strict=True
        ):
            assert torch.equal(parameter, target)


def test_there_is_one_injection(build: Callable[..., Any]) -> None:
    agent = build(PPO, methods=[PlasticityInjection()]).learn(64)
    agent.methods[0].on_change({})
    before = [p.detach().clone() for p in agent.policy.parameters()]
    agent.methods[0].on_change({})
    assert all(torch.equal(*pair) for pair in zip(before, agent.policy.parameters(), strict=True))


@pytest.mark.parametrize("kind", [PPO, SAC])
def test_it_survives_save_and_load(kind: Any, build: Callable[..., Any]) -> None:
    agent, file = build(kind, methods=[PlasticityInjection()]).learn(64), io.BytesIO()
    agent.methods[0].on_change({})
    agent.learn(64, reset_num_timesteps=False)
    agent.save(file)
    loaded = kind.load(file, device="cpu")
    for one, other in zip(outputs_of(agent), outputs_of(loaded), strict=True):
        assert torch.equal(one, other)
    plain: Any = {PPO: stable_baselines3.PPO, SAC: stable_baselines3.SAC}[kind]
    for one, other in zip(
        outputs_of(agent), outputs_of(plain.load(file, device="cpu")), strict=True
    ):
        assert torch.equal(one, other)
    pairs = zip(agent.policy.parameters(), loaded.policy.parameters(), strict=True)
    assert all(one.requires_grad == other.requires_grad for one, other in pairs)


def test_too_few_layers(build: Callable[..., Any]) -> None:
    with pytest.raises(SettingsError, match="must be 3 or less, as the actor has 3 layers, not 4"):
        build(PPO, methods=[PlasticityInjection(last_layers=4)])
