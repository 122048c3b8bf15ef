"""The networks that methods may change, wherever a policy keeps them."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..wrappers.errors import SettingsError


def network_bodies(policy: nn.Module) -> tuple[nn.Sequential, ...]:
    """Return the sequences of modules that an agent's networks are made of.

    What a method changes in them in place, it changes in the networks. Whether a sequence ends
    with an output layer differs: a linear map with nothing after it makes no hidden units.

    Args:
        policy: stable-baselines3's policy of PPO or SAC, or a bare network.

    Returns:
        PPO's actor and critic; SAC's actor, its critics and their targets, in this order; or the
        bare network alone.

    Raises:
        SettingsError: the networks are made of something else.

    Example:
        >>> network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> network_bodies(network) == (network,)
        True
    """
    holder: Any = policy
    if isinstance(policy, nn.Sequential):
        found = [policy]
    elif hasattr(policy, "mlp_extractor"):
        body = holder.mlp_extractor
        found = [getattr(body, name, body) for name in ("policy_net", "value_net")]
    elif hasattr(policy, "critic_target"):
        critics = (holder.critic, holder.critic_target)
        found = [holder.actor.latent_pi, *(net for critic in critics for net in critic.q_networks)]
    else:
        raise SettingsError(f"methods can't see into a {type(policy).__name__}")
    for network in found:
        if not isinstance(network, nn.Sequential):
            raise SettingsError(f"methods can't see into a {type(network).__name__}")
    return tuple(found)
