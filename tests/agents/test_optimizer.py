from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import stable_baselines3
import torch

from everlearn.agents import PPO, SAC, load_checkpoint, save_checkpoint
from everlearn.agents.adam import Adam
from everlearn.agents.plasticity.lion import Lion
from everlearn.agents.plasticity.upgd import UPGD, UPGDOptimizer
from everlearn.agents.registry import make_method
from everlearn.wrappers.errors import SettingsError

PLAIN: dict[type, Any] = {PPO: stable_baselines3.PPO, SAC: stable_baselines3.SAC}


def optimizer_of(agent: Any) -> Any:
    return agent.actor.optimizer if hasattr(agent, "actor") else agent.policy.optimizer


def save(agent: Any) -> io.BytesIO:
    file = io.BytesIO()
    agent.save(file)
    return file


@pytest.mark.parametrize("kind", [PPO, SAC])
@pytest.mark.parametrize("chosen", [torch.optim.Adam, torch.optim.RMSprop])
def test_plain_sb3_begins_with_the_optimizer_it_would_have(
    kind: Any, chosen: type[Any], build: Callable[..., Any]
) -> None:
    policy_kwargs = {"net_arch": [8], "optimizer_class": chosen}
    agent = build(kind, methods=[UPGD()], policy_kwargs=policy_kwargs, learning_rate=1e-2)
    agent.learn(128)
    assert type(optimizer_of(agent)) is UPGDOptimizer
    plain = PLAIN[kind].load(save(agent), env=agent.get_env(), device="cpu")
    optimizer: Any = optimizer_of(plain)
    assert type(optimizer) is chosen
    assert not optimizer.state
    assert optimizer.param_groups[0]["lr"] == 1e-2
    plain.learn(64)


def test_another_optimizer_begins_anew(build: Callable[..., Any]) -> None:
    agent = build(PPO, methods=[UPGD()]).learn(64)
    with_lion: Any = PPO.load(save(agent), env=agent.get_env(), device="cpu", methods=[Lion()])
    assert not with_lion.policy.optimizer.state
    assert "betas" in with_lion.policy.optimizer.param_groups[0]
    with_lion.learn(64)
    without: Any = PPO.load(save(with_lion), env=agent.get_env(), device="cpu", methods=[])
    assert type(without.policy.optimizer) is torch.optim.Adam
    without.learn(64)
    back: Any = PPO.load(save(without), env=agent.get_env(), device="cpu", methods=[UPGD()])
    assert not back.policy.optimizer.state
    back.learn(64)


def test_parameters_pass_between_agents(build: Callable[..., Any]) -> None:
    one, other = (build(PPO, methods=[UPGD()]) for _ in range(2))
    one.learn(128)
    other.set_parameters(one.get_parameters())
    assert other.policy.optimizer.param_groups[0]["steps"] == 8
    assert same_data(one.get_parameters(), other.get_parameters())


def test_agents_without_methods_are_saved_as_ever(build: Callable[..., Any]) -> None:
    agent = build(PPO).learn(64)
    parameters = agent.get_parameters()
    assert parameters["policy.optimizer"].keys() == {"state", "param_groups"}
    assert type(build(PPO, methods=[UPGD()]).policy.optimizer) is not Adam


@pytest.mark.parametrize("name", ["trac", "cautious", "equal-betas-adam"])
def test_settings_that_our_adam_lacks_are_refused(name: str, build: Callable[..., Any]) -> None:
    policy_kwargs = {"optimizer_kwargs": {"amsgrad": True}}
    with pytest.raises(SettingsError, match=f"{name} takes betas, .* not 'amsgrad'"):
        build(PPO, methods=[make_method(name)], policy_kwargs=policy_kwargs)


@pytest.mark.parametrize("kind", [PPO, SAC])
@pytest.mark.parametrize("name", ["upgd", "trac", "core", "lion", "cautious"])
def test_a_checkpoint_brings_the_optimizer_back(
    name: str, kind: Any, build: Callable[..., Any], tmp_path: Any
) -> None:
    whole = build(kind, methods=[make_method(name)]).learn(128)
    save_checkpoint(whole, tmp_path / "checkpoint")
    other = build(kind, methods=[make_method(name)])
    load_checkpoint(tmp_path / "checkpoint", other)
    assert same_data(whole.get_parameters(), other.get_parameters())
    other.learn(64, reset_num_timesteps=False)


def same_data(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(
            same_data(value, second[key]) for key, value in first.items()
        )
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    return bool(first == second)
