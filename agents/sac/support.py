"""Which SAC agents the fast back ends can train."""

from __future__ import annotations

from typing import Any

import stable_baselines3
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.sac.policies import SACPolicy
from torch import nn

from ..flat_adam import why_optimizer
from .policy import LayerNormPolicy


def why_reference(agent: stable_baselines3.SAC) -> str | None:
    """Return why an agent must be trained by stable-baselines3's own update, or None.

    Args:
        agent: with its policy.
    """
    if agent.device.type != "cpu":
        return f"networks on {agent.device.type}"
    observed = agent.observation_space
    if not isinstance(observed, spaces.Box) or is_image_space(observed):
        kind = "image" if isinstance(observed, spaces.Box) else type(observed).__name__
        return f"{kind} observations"
    if agent.use_sde:
        return "state-dependent exploration"
    return _why_policy(agent.policy) or _why_parameters(agent.policy)


def _why_policy(policy: nn.Module) -> str | None:
    if type(policy) not in (SACPolicy, LayerNormPolicy):
        return f"policy {type(policy).__name__}"
    assert isinstance(policy, SACPolicy)
    for network in (policy.actor, policy.critic):
        if type(network.features_extractor) is not FlattenExtractor:
            return f"features extractor {type(network.features_extractor).__name__}"
    hooked = [m for m in policy.modules() if m._forward_hooks or m._forward_pre_hooks]
    return "hooks on the policy" if hooked else None


def _why_parameters(policy: SACPolicy) -> str | None:
    actor, critic = policy.actor, policy.critic
    used: tuple[tuple[str, Any, list[Any]], ...] = (
        ("actor", actor, [actor.latent_pi, actor.mu, actor.log_std]),
        ("critic", critic, critic.q_networks),
    )
    for name, network, modules in used:
        known = [id(parameter) for module in modules for parameter in module.parameters()]
        parameters = list(network.parameters())
        if [id(parameter) for parameter in parameters] != known:
            return f"parameters of the {name} outside of its layers"
        if not all(parameter.requires_grad for parameter in parameters):
            return "frozen parameters"
        if len({parameter.dtype for parameter in parameters}) > 1:
            return "parameters of several types"
        if reason := why_optimizer(network.optimizer, parameters):
            return reason
    return None
