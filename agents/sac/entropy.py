"""Entropy in which methods weigh the dimensions of actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from stable_baselines3.common.distributions import (
    SquashedDiagGaussianDistribution,
    TanhBijector,
)
from stable_baselines3.sac.policies import Actor
from torch import Tensor

from ...wrappers.errors import SettingsError
from ..method import Method
from .options import SACOptions


@final
class WeighedGaussian(SquashedDiagGaussianDistribution):
    """stable-baselines3's squashed Gaussian, with a weight for each dimension's log-density.

    With weights of 1 it is the same, bit for bit.

    Args:
        weights: of shape (dimensions,); read at each call.

    Example:
        >>> plain, weighed = SquashedDiagGaussianDistribution(2), WeighedGaussian(torch.ones(2))
        >>> actions = torch.tensor([[0.5, -0.2]])
        >>> for one in (plain, weighed):
        ...     _ = one.proba_distribution(torch.zeros(1, 2), torch.zeros(1, 2))
        >>> torch.equal(plain.log_prob(actions), weighed.log_prob(actions))
        True
    """

    def __init__(self, weights: Tensor) -> None:
        super().__init__(len(weights))
        self._weights = weights

    def log_prob(self, actions: Tensor, gaussian_actions: Tensor | None = None) -> Tensor:
        """Return the weighed sum of the dimensions' log-densities, of shape (batch,).

        Args:
            actions: of shape (batch, dimensions).
            gaussian_actions: the same before the squashing, if known.
        """
        if gaussian_actions is None:
            gaussian_actions = TanhBijector.inverse(actions)
        normal = self.distribution.log_prob(gaussian_actions)
        correction = torch.log(1 - actions**2 + self.epsilon)
        # In stable-baselines3's order, for the sake of the last bits.
        return (self._weights * normal).sum(dim=1) - (self._weights * correction).sum(dim=1)


def weigh_entropy(actor: Actor, weights: Tensor) -> None:
    """Let stable-baselines3's update weigh the dimensions of actions.

    Args:
        actor: the agent's; how it acts stays the same.
        weights: of shape (dimensions,); read at each gradient step.

    Raises:
        SettingsError: its exploration depends on states.
    """
    if actor.use_sde:
        raise SettingsError("the entropy of state-dependent exploration can't be weighed")
    actor.action_dist = WeighedGaussian(weights)  # type: ignore[assignment]


def gather_entropy_weights(methods: Sequence[Method], options: SACOptions) -> Tensor | None:
    """Return the weights of action dimensions that a method brings, or None.

    Args:
        methods: an agent's.
        options: may have weights themselves.

    Raises:
        SettingsError: weights come from two places.
    """
    brought = [(m.name, w) for m in methods if (w := m.entropy_weights()) is not None]
    sources = [name for name, _ in brought]
    if options.entropy_weights is not None:
        sources.append("entropy_weights")
    if brought and len(sources) > 1:
        raise SettingsError(
            f"only one can weigh action dimensions, but these do: {', '.join(sources)}"
        )
    return brought[0][1] if brought else None
