"""PPO's networks as methods see them."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from torch import nn
from torch.optim import Optimizer

from ...wrappers.errors import SettingsError
from ..layers import Part, hidden_layers


def build_parts(policy: BasePolicy) -> tuple[Part, Part]:
    """Return the actor and the critic of a policy.

    Args:
        policy: stable-baselines3's.

    Raises:
        SettingsError: methods can't see into its networks.

    Example:
        >>> from gymnasium.spaces import Box
        >>> policy = ActorCriticPolicy(Box(-1, 1, (3,)), Box(-1, 1, (1,)), lambda progress: 0.1)
        >>> [(part.name, len(part.hidden)) for part in build_parts(policy)]
        [('actor', 2), ('critic', 2)]
    """
    if not isinstance(policy, ActorCriticPolicy):
        raise SettingsError(f"methods need an ActorCriticPolicy, not {type(policy).__name__}")
    body, optimizer = policy.mlp_extractor, policy.optimizer
    actor_body: Any = getattr(body, "policy_net", None)
    critic_body: Any = getattr(body, "value_net", None)
    for module in (actor_body, critic_body):
        if not isinstance(module, nn.Module):
            raise SettingsError(f"methods can't see into a {type(body).__name__}")
    modules = [actor_body, policy.action_net]
    if not policy.share_features_extractor:
        modules.append(policy.pi_features_extractor)
    if isinstance(lstm := getattr(policy, "lstm_actor", None), nn.Module):
        modules.append(lstm)
    mine = {id(parameter) for module in modules for parameter in module.parameters()}
    spread = getattr(policy, "log_std", None)
    mine.add(id(spread))
    # All that is not the actor's alone is the critic's, a shared features extractor included,
    # so that no parameter is left out and none comes twice.
    parameters = list(policy.parameters())
    actor = tuple(parameter for parameter in parameters if id(parameter) in mine)
    critic = tuple(parameter for parameter in parameters if id(parameter) not in mine)
    parts = (
        _part("actor", actor_body, policy.action_net, actor, optimizer, spread),
        _part("critic", critic_body, policy.value_net, critic, optimizer),
    )
    parts[0].choices = _choices(policy.action_space)
    return parts


def _choices(actions: spaces.Space[Any]) -> tuple[int, ...]:
    if isinstance(actions, spaces.Discrete):
        return (int(actions.n),)
    if isinstance(actions, spaces.MultiDiscrete):
        return tuple(actions.nvec.flatten().tolist())
    return ()


def _part(
    name: str,
    body: nn.Module,
    output: nn.Module,
    parameters: tuple[nn.Parameter, ...],
    optimizer: Optimizer,
    spread: nn.Parameter | None = None,
) -> Part:
    if not isinstance(output, nn.Linear):
        raise SettingsError(f"methods need a linear output, not {type(output).__name__}")
    return Part(name, hidden_layers(body, [output]), (output,), parameters, optimizer, spread)
