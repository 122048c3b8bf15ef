"""The networks of agents that learn from transitions alone."""

from __future__ import annotations

from typing import Any, final

import torch
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, create_mlp
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from stable_baselines3.sac.policies import Actor, SACPolicy
from torch import Tensor, nn

from .losses import LOG_STD_RANGE


@final
class IQLPolicy(SACPolicy):
    """SAC's networks with a value network, and an actor whose deviations no state changes.

    The actor is a normal distribution around tanh of its output (published code of IQL), with the
    parameters of SAC's: agents of SAC can go on from it. `everlearn.agents.offline.IQL` uses it.

    Args:
        *args: as for `stable_baselines3.sac.policies.SACPolicy`.
        **kwargs: as for `SACPolicy`.
    """

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        sizes = self.net_arch if isinstance(self.net_arch, list) else self.net_arch["qf"]
        inputs = self.actor.features_dim
        self.value = nn.Sequential(*create_mlp(inputs, 1, sizes, self.activation_fn))
        self.value_optimizer = self.optimizer_class(
            self.value.parameters(),
            lr=lr_schedule(1),  # type: ignore[call-arg]
            **self.optimizer_kwargs,
        )

    def make_actor(self, features_extractor: BaseFeaturesExtractor | None = None) -> Actor:
        """Make the actor.

        Args:
            features_extractor: used if given, and else a new one.
        """
        actor = super().make_actor(features_extractor)
        assert isinstance(actor.log_std, nn.Linear)
        nn.init.zeros_(actor.log_std.weight)
        nn.init.zeros_(actor.log_std.bias)
        actor.log_std.weight.requires_grad_(False)
        return actor

    def law(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and logarithms of deviations of the actions.

        Args:
            observations: of shape (batch, inputs).
        """
        means, log_stds, _ = self.actor.get_action_dist_params(observations)
        return torch.tanh(means), log_stds.clamp(*LOG_STD_RANGE)

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> Tensor:
        assert isinstance(observation, Tensor)
        means, log_stds = self.law(observation)
        if deterministic:
            return means
        return (means + log_stds.exp() * torch.randn_like(means)).clamp(-1, 1)


def values_of(critic: Any, observations: Tensor, actions: Tensor) -> Tensor:
    """Return what each critic says, of shape (critics, batch).

    Args:
        critic: stable-baselines3's critics.
        observations: of shape (batch, inputs).
        actions: from -1 to 1, of shape (batch, dimensions).
    """
    return torch.cat(critic(observations, actions), dim=1).T
