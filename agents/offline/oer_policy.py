"""The networks of OER."""

from __future__ import annotations

from typing import Any, final

import torch
from stable_baselines3.common.preprocessing import get_action_dim, get_flattened_obs_dim
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from stable_baselines3.td3.policies import TD3Policy
from torch import Tensor

from .policies import make_network


@final
class OERPolicy(TD3Policy):
    """TD3's networks, with an actor for all tasks and a model of where steps lead.

    Args:
        *args: as for `stable_baselines3.td3.policies.TD3Policy`.
        dual: whether the actor for all tasks acts, and else that of the present one.
        **kwargs: as for `TD3Policy`.
    """

    def __init__(self, *args: Any, dual: bool = True, **kwargs: Any) -> None:
        self.dual = dual
        super().__init__(*args, **kwargs)

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        inputs = get_flattened_obs_dim(self.observation_space)
        actions = get_action_dim(self.action_space)
        self.continual = self.make_actor()
        """The actor for all tasks."""
        rate = lr_schedule(1)
        self.continual.optimizer = self.optimizer_class(  # type: ignore[call-arg]
            self.continual.parameters(), lr=rate, **self.optimizer_kwargs
        )
        self.model, self.model_optimizer = make_network(self, inputs + actions, inputs, lr_schedule)

    def expect(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return where steps are expected to lead, of the shape of `observations`.

        Args:
            observations: of shape (batch, inputs).
            actions: from -1 to 1, of shape (batch, dimensions).
        """
        return observations + self.model(torch.cat([observations, actions], dim=1))

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> Tensor:
        actor = self.continual if self.dual else self.actor
        return actor(observation)

    def set_training_mode(self, mode: bool) -> None:
        """Put all networks into training or evaluation mode.

        Args:
            mode: whether it is training.
        """
        super().set_training_mode(mode)
        self.continual.set_training_mode(mode)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return super()._get_constructor_parameters() | {"dual": self.dual}
