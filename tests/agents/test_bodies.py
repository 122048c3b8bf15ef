from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

from everlearn.agents import PPO, SAC
from everlearn.agents.bodies import network_bodies
from everlearn.wrappers.errors import SettingsError


def test_ppo(build: Callable[..., Any]) -> None:
    policy = build(PPO).policy
    body = policy.mlp_extractor
    assert network_bodies(policy) == (body.policy_net, body.value_net)


def test_sac(build: Callable[..., Any]) -> None:
    agent = build(SAC)
    assert network_bodies(agent.policy) == (
        agent.actor.latent_pi,
        *agent.critic.q_networks,
        *agent.critic_target.q_networks,
    )


def test_other_networks_are_refused() -> None:
    with pytest.raises(SettingsError, match="methods can't see into a Linear"):
        network_bodies(nn.Linear(1, 1))
    policy = nn.Module()
    policy.mlp_extractor = nn.GRU(1, 1)
    with pytest.raises(SettingsError, match="methods can't see into a GRU"):
        network_bodies(policy)
