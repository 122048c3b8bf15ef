"""A family of policies with a balance coefficient, and the model that chooses among them."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import get_flattened_obs_dim
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, FlattenExtractor
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from stable_baselines3.sac.policies import Actor, SACPolicy
from torch import Tensor, nn

from ..sac.losses import squash
from .losses import LOG_STD_RANGE
from .policies import make_network, with_fixed_deviations

_PAIRS = 3


def embed(coefficients: Tensor) -> Tensor:
    """Return balance coefficients as an actor sees them: sine and cosine at three frequencies.

    Wang et al., "Train once, get a family" (2023), published code.

    Args:
        coefficients: of shape (batch,).

    Returns:
        Of shape (batch, 6): sine and cosine in turn, of beta / 10000^(i / 3).

    Example:
        >>> embed(torch.zeros(1))
        tensor([[0., 1., 0., 1., 0., 1.]])
    """
    scales = 10_000.0 ** (-torch.arange(_PAIRS, device=coefficients.device) / _PAIRS)
    angles = coefficients[:, None] * scales
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(start_dim=1)


@final
class FamilyPolicy(SACPolicy):
    """IQL's networks, with an actor that is told a coefficient, and a model that chooses it.

    The family is a normal law around tanh of the actor's output; no state changes its deviations.
    The balance model is a normal law squashed by tanh, whose -1 and 1 are the ends of the range.

    Args:
        *args: as for `stable_baselines3.sac.policies.SACPolicy`.
        coefficients: the range of the balance coefficient.
        **kwargs: as for `SACPolicy`.
    """

    def __init__(
        self, *args: Any, coefficients: tuple[float, float] = (1.0, 5.0), **kwargs: Any
    ) -> None:
        self.coefficients = coefficients
        super().__init__(*args, **kwargs)

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        inputs = get_flattened_obs_dim(self.observation_space)
        self.value, self.value_optimizer = make_network(self, inputs, 1, lr_schedule)
        self.balance, self.balance_optimizer = make_network(self, inputs, 2, lr_schedule)
        self.log_eta = nn.Parameter(torch.zeros(1))
        """Logarithm of the weight of the balance model's entropy."""
        self.eta_optimizer = self.optimizer_class([self.log_eta], lr=lr_schedule(1))  # type: ignore[call-arg]

    def make_actor(self, features_extractor: BaseFeaturesExtractor | None = None) -> Actor:
        """Make the actor, which sees a coefficient behind each observation.

        Args:
            features_extractor: has no effect.
        """
        inputs = get_flattened_obs_dim(self.observation_space) + 2 * _PAIRS
        seen = spaces.Box(-np.inf, np.inf, (inputs,))
        settings = self._update_features_extractor(self.actor_kwargs, FlattenExtractor(seen))
        actor = Actor(**{**settings, "observation_space": seen})
        return with_fixed_deviations(actor.to(self.device))

    def law(self, observations: Tensor, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and logarithms of deviations of the actions.

        Args:
            observations: of shape (batch, inputs).
            coefficients: of shape (batch,).
        """
        seen = torch.cat([observations, embed(coefficients)], dim=1)
        means, log_stds, _ = self.actor.get_action_dist_params(seen)
        return torch.tanh(means), log_stds.clamp(*LOG_STD_RANGE)

    def choose(
        self, observations: Tensor, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return the balance model's coefficients.

        Args:
            observations: of shape (batch, inputs).
            noise: standard normal numbers of shape (batch,), or None for the likeliest.

        Returns:
            Coefficients, and logarithms of the densities of what was squashed, each of shape
            (batch,); without noise no densities.
        """
        means, log_stds = self.balance(observations).unbind(dim=1)
        low, high = self.coefficients
        if noise is None:
            return low + (torch.tanh(means) + 1) / 2 * (high - low), None
        chosen, log_probs = squash(means[:, None], log_stds[:, None], noise[:, None])
        return low + (chosen[:, 0] + 1) / 2 * (high - low), log_probs[:, 0]

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> Tensor:
        assert isinstance(observation, Tensor)
        flat = observation.float().flatten(start_dim=1)
        means, log_stds = self.law(flat, self.choose(flat)[0])
        if deterministic:
            return means
        return (means + log_stds.exp() * torch.randn_like(means)).clamp(-1, 1)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return super()._get_constructor_parameters() | {"coefficients": self.coefficients}
