"""The networks that methods may change, wherever a policy keeps them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from ..wrappers.errors import SettingsError
from .residual import Residual

NORMS = (nn.LayerNorm, nn.RMSNorm)
"""Normalisations of a layer's units."""


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
        SettingsError: the networks are made of something else, or of residual blocks too.

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
        if any(isinstance(module, Residual) for module in network):
            raise SettingsError(
                "methods that change how networks are built can't have residual blocks in them: "
                "leave out one of the two"
            )
    return tuple(found)


def insert_norms(network: nn.Sequential, make: Callable[[int], nn.Module]) -> None:
    """Put a normalisation between each hidden linear map and what comes after it.

    Args:
        network: a sequence whose linear maps have nothing after them only at the output.
        make: builds one for a number of units.

    Raises:
        SettingsError: there is one already.

    Example:
        >>> network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> insert_norms(network, nn.LayerNorm)
        >>> [type(module).__name__ for module in network]
        ['Linear', 'LayerNorm', 'ReLU', 'Linear']
    """
    for linear, activation in _hidden_places(network):
        between = [network[place] for place in range(linear + 1, activation)]
        if any(isinstance(module, NORMS) for module in between):
            raise SettingsError("the network has a normalization before each activation already")
        incoming: Any = network[linear]
        norm = make(incoming.out_features)
        network.insert(linear + 1, norm.to(incoming.weight))


def replace_activations(
    network: nn.Sequential, make: Callable[[], nn.Module], outputs: int = 1
) -> None:
    """Put other activations in the place of a network's own.

    Args:
        network: a sequence whose linear maps have nothing after them only at the output.
        make: builds one.
        outputs: how many outputs it makes of a unit; there are as many fewer units, so that what
            comes after finds as many outputs as before. The units that stay keep their weights.

    Raises:
        SettingsError: the number of units can't be divided so.

    Example:
        >>> network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> replace_activations(network, nn.Tanh)
        >>> network[1]
        Tanh()
    """
    for linear, activation in _hidden_places(network):
        for place in range(linear, activation):
            _keep_units(network[place], outputs)
        network[activation] = make()


def hidden_maps(network: nn.Sequential) -> list[nn.Linear]:
    """Return the linear maps that make hidden units, from the output to the input.

    Args:
        network: a sequence whose linear maps have nothing after them only at the output.
    """
    maps: list[Any] = [network[linear] for linear, _ in _hidden_places(network)]
    return maps


def _hidden_places(network: nn.Sequential) -> list[tuple[int, int]]:
    """Return where hidden linear maps and their activations are, from the output to the input."""
    linear = [i for i, module in enumerate(network) if isinstance(module, nn.Linear)]
    ends = [*linear[1:], len(network)]
    places = [(begin, end - 1) for begin, end in zip(linear, ends, strict=True) if end - begin > 1]
    return places[::-1]


@torch.no_grad()
def _keep_units(module: nn.Module, outputs: int) -> None:
    """Keep the first of each `outputs` units of a linear map or a normalisation."""
    if outputs == 1:
        return
    if not isinstance(module, (nn.Linear, *NORMS)):
        raise SettingsError(
            f"a method that changes the number of units can't have a {type(module).__name__} "
            "before their activation: leave out one of the two"
        )
    changed: Any = module
    width = changed.out_features if isinstance(module, nn.Linear) else changed.normalized_shape[0]
    if width % outputs != 0:
        raise SettingsError(
            f"layers of {width} outputs can't be made of units with {outputs} outputs each: "
            "choose other numbers in net_arch"
        )
    if parametrize.is_parametrized(module):
        raise SettingsError(
            "a method that changes the number of units must come before weight-norm"
        )
    kept = width // outputs
    for name, parameter in list(module.named_parameters(recurse=False)):
        setattr(module, name, nn.Parameter(parameter[:kept].clone()))
    if isinstance(module, nn.Linear):
        changed.out_features = kept
    else:
        changed.normalized_shape = (kept,)
