"""The networks of agents that learn from transitions alone."""

from __future__ import annotations

from typing import Any, final

import torch
from stable_baselines3.common.preprocessing import get_flattened_obs_dim
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, create_mlp
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from stable_baselines3.sac.policies import Actor, SACPolicy
from stable_baselines3.td3.policies import TD3Policy
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
        inputs = get_flattened_obs_dim(self.observation_space)
        self.value, self.value_optimizer = make_network(self, inputs, 1, lr_schedule)

    def make_actor(self, features_extractor: BaseFeaturesExtractor | None = None) -> Actor:
        """Make the actor.

        Args:
            features_extractor: used if given, and else a new one.
        """
        return with_fixed_deviations(super().make_actor(features_extractor))

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


def make_network(
    policy: SACPolicy | TD3Policy, inputs: int, outputs: int, lr_schedule: Schedule
) -> tuple[nn.Sequential, torch.optim.Optimizer]:
    """Return a network built as a policy's critics are, and its optimizer.

    Args:
        policy: whose settings are used.
        inputs: how many.
        outputs: how many.
        lr_schedule: its first value is the learning rate.
    """
    sizes = policy.net_arch if isinstance(policy.net_arch, list) else policy.net_arch["qf"]
    network = nn.Sequential(*create_mlp(inputs, outputs, sizes, policy.activation_fn))
    rate = lr_schedule(1)
    settings = policy.optimizer_kwargs
    return network, policy.optimizer_class(network.parameters(), lr=rate, **settings)  # type: ignore[call-arg]


def with_fixed_deviations(actor: Actor) -> Actor:
    """Let no state change the deviations of an actor's actions, and return it.

    Args:
        actor: of SAC; the parameters keep their shapes.
    """
    assert isinstance(actor.log_std, nn.Linear)
    nn.init.zeros_(actor.log_std.weight)
    nn.init.zeros_(actor.log_std.bias)
    actor.log_std.weight.requires_grad_(False)
    return actor


def values_of(critic: Any, observations: Tensor, actions: Tensor) -> Tensor:
    """Return what each critic says, of shape (critics, batch).

    Args:
        critic: stable-baselines3's critics.
        observations: of shape (batch, inputs).
        actions: from -1 to 1, of shape (batch, dimensions).
    """
    return torch.cat(critic(observations, actions), dim=1).T
