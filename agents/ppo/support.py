"""Which PPO agents the fast back ends can train."""

from __future__ import annotations

from collections.abc import Sequence

import stable_baselines3
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.distributions import (
    CategoricalDistribution,
    DiagGaussianDistribution,
)
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import FlattenExtractor, MlpExtractor
from torch import nn

from ..flat_adam import why_optimizer


def why_reference(agent: stable_baselines3.PPO) -> str | None:
    """Return why an agent must be trained by stable-baselines3's own update, or None.

    Args:
        agent: with its policy and rollout buffer.
    """
    if agent.device.type != "cpu":
        return f"networks on {agent.device.type}"
    return _why_spaces(agent) or _why_policy(agent.policy) or _why_parameters(agent.policy)


def _why_spaces(agent: stable_baselines3.PPO) -> str | None:
    observed, acted = agent.observation_space, agent.action_space
    if not isinstance(observed, spaces.Box) or is_image_space(observed):
        kind = "image" if isinstance(observed, spaces.Box) else type(observed).__name__
        return f"{kind} observations"
    if not isinstance(acted, spaces.Box | spaces.Discrete):
        return f"{type(acted).__name__} actions"
    if agent.use_sde:
        return "state-dependent exploration"
    if type(agent.rollout_buffer) is not RolloutBuffer:
        return f"rollout buffer {type(agent.rollout_buffer).__name__}"
    return None


def _why_policy(policy: nn.Module) -> str | None:
    if type(policy) is not ActorCriticPolicy:
        return f"policy {type(policy).__name__}"
    extractor, body = policy.features_extractor, policy.mlp_extractor
    if type(extractor) is not FlattenExtractor:
        return f"features extractor {type(extractor).__name__}"
    if type(body) is not MlpExtractor:
        return f"networks in {type(body).__name__}"
    distribution = policy.action_dist
    if type(distribution) not in (DiagGaussianDistribution, CategoricalDistribution):
        return f"{type(distribution).__name__}"
    hooked = [m for m in policy.modules() if m._forward_hooks or m._forward_pre_hooks]
    return "hooks on the policy" if hooked else None


def _why_parameters(policy: ActorCriticPolicy) -> str | None:
    body = policy.mlp_extractor
    used: Sequence[nn.Module] = (
        body.policy_net,
        body.value_net,
        policy.action_net,
        policy.value_net,
    )
    known = {id(p) for module in used for p in module.parameters()}
    if isinstance(policy.action_dist, DiagGaussianDistribution):
        known.add(id(policy.log_std))
    parameters = list(policy.parameters())
    if {id(parameter) for parameter in parameters} != known:
        return "parameters outside of the two networks"
    if not all(parameter.requires_grad for parameter in parameters):
        return "frozen parameters"
    if len({parameter.dtype for parameter in parameters}) > 1:
        return "parameters of several types"
    return why_optimizer(policy.optimizer, parameters)
