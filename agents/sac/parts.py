"""SAC's networks as methods see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from stable_baselines3.common.policies import ContinuousCritic
from stable_baselines3.sac.policies import Actor
from torch import Tensor, nn

from ...wrappers.errors import SettingsError
from ..layers import Part, hidden_layers


def build_parts(
    actor: Actor, critic: ContinuousCritic, critic_target: ContinuousCritic
) -> tuple[Part, ...]:
    """Return the actor and each critic.

    What is not the actor's and no single critic's, such as a features extractor of the critics,
    is the first critic's. The temperature belongs to no part.

    Args:
        actor: with its optimizer.
        critic: all critics, with the optimizer they share.
        critic_target: their target networks.

    Raises:
        SettingsError: methods can't see into the networks.
    """
    outputs = tuple(_linear(module) for module in (actor.mu, actor.log_std) if _has_linear(module))
    parts = [
        Part(
            "actor",
            hidden_layers(actor.latent_pi, outputs),
            outputs,
            tuple(actor.parameters()),
            actor.optimizer,
        )
    ]
    taken = {id(parameter) for parameter in actor.parameters()}
    taken |= {id(p) for network in critic.q_networks for p in network.parameters()}
    shared = tuple(p for p in critic.parameters() if id(p) not in taken)
    pairs = zip(critic.parameters(), critic_target.parameters(), strict=True)
    targets = {id(parameter): target for parameter, target in pairs}
    for index, network in enumerate(critic.q_networks):
        if not isinstance(network, nn.Sequential):
            raise SettingsError(f"methods can't see into a {type(network).__name__}")
        output = _linear(network[-1])
        parameters = (*network.parameters(), *(shared if index == 0 else ()))
        parts.append(
            Part(
                f"critic_{index}",
                hidden_layers(network[:-1], [output]),
                (output,),
                parameters,
                critic.optimizer,
                target=tuple(targets[id(p)] for p in parameters if id(p) in targets),
            )
        )
    return tuple(parts)


def shield_critic(critic: ContinuousCritic, parts: Sequence[Part]) -> None:
    """Let the actor's loss pass through the critics without a trace in them.

    The critics' gradients, features and batches then stay those of their own loss; in
    stable-baselines3 the actor's loss adds to the gradients, until the next step clears them.
    The actor learns the same, bit for bit.

    Args:
        critic: all critics.
        parts: the critics as methods see them.
    """
    frozen: list[nn.Parameter] = []
    kept: list[Tensor | None] = []
    batches: list[Any] = []
    layers = [layer for part in parts for layer in part.hidden]

    def before(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        # Only actions that the actor has just chosen have a gradient to give back.
        if torch.is_grad_enabled() and inputs[1].requires_grad:
            frozen[:] = [parameter for parameter in module.parameters() if parameter.requires_grad]
            kept[:] = [layer.features for layer in layers]
            batches[:] = [part.batch for part in parts]
            for parameter in frozen:
                parameter.requires_grad_(False)

    def after(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if frozen:
            for parameter in frozen:
                parameter.requires_grad_(True)
            for layer, features in zip(layers, kept, strict=True):
                layer.features = features
            for part, batch in zip(parts, batches, strict=True):
                part.batch = batch
            frozen.clear()

    critic.register_forward_pre_hook(before)
    critic.register_forward_hook(after)


def _has_linear(module: Any) -> bool:
    # With generalised state-dependent exploration, log_std is a parameter and no map.
    return isinstance(module, nn.Module)


def _linear(module: Any) -> nn.Linear:
    # The same exploration clips the mean in a sequence after the map.
    first = module[0] if isinstance(module, nn.Sequential) else module
    if not isinstance(first, nn.Linear):
        raise SettingsError(f"methods need a linear output, not {type(first).__name__}")
    return first
