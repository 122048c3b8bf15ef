"""The steps of a family of policies, alike offline and online."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ...wrappers.errors import SettingsError
from ..sac.losses import Batch, temperature_loss
from .agent import step
from .family import FamilyPolicy
from .implicit import move_actor_and_critics, move_values
from .losses import gaussian_log_prob
from .policies import values_of

Drawn = Literal["uniform", "balance"]
"""Where the actor's coefficients come from: any of the range alike, or the balance model."""

TARGET_ENTROPY = -0.5
"""The entropy that the balance model is to have (published code)."""

LEARNED = [
    "policy",
    "policy.actor.optimizer",
    "policy.critic.optimizer",
    "policy.value_optimizer",
    "policy.balance_optimizer",
    "policy.eta_optimizer",
]
"""Where an agent has what it has learned."""


def move_family(
    policy: FamilyPolicy, batch: Batch, expectile: float, drawn: Drawn, tau: float
) -> dict[str, Tensor]:
    """Make a gradient step of all networks, in the order of the published code.

    Wang et al., "Train once, get a family" (2023), on IQL: V, balance model, its entropy's weight,
    actor, critics, targets.

    Args:
        policy: the networks with their optimizers.
        batch: the transitions.
        expectile: of the target critics' values, from 0 to 1.
        drawn: where the actor's coefficients come from.
        tau: how far the targets follow.

    Returns:
        What is to be logged.
    """
    judged = move_values(policy, batch, expectile)
    logged = move_balance(policy, batch.observations)
    with torch.no_grad():
        coefficients = draw_coefficients(policy, batch.observations, drawn)
    log_probs = gaussian_log_prob(batch.actions, *policy.law(batch.observations, coefficients))
    return logged | move_actor_and_critics(policy, batch, judged, coefficients, log_probs, tau)


def draw_coefficients(policy: FamilyPolicy, observations: Tensor, drawn: Drawn) -> Tensor:
    """Return the coefficients that the actor is to learn at, of shape (batch,).

    Args:
        policy: the networks.
        observations: of shape (batch, inputs).
        drawn: where they come from.
    """
    if drawn == "uniform":
        low, high = policy.coefficients
        return low + (high - low) * torch.rand(len(observations), device=observations.device)
    noise = torch.randn(len(observations), device=observations.device)
    return policy.choose(observations, noise)[0]


def balance_loss(policy: FamilyPolicy, observations: Tensor) -> tuple[Tensor, Tensor]:
    """Return the balance model's loss, and the mean logarithm of its densities.

    Args:
        policy: the networks.
        observations: of shape (batch, inputs).
    """
    noise = torch.randn(len(observations), device=observations.device)
    coefficients, log_probs = policy.choose(observations, noise)
    assert log_probs is not None
    means, log_stds = policy.law(observations, coefficients)
    actions = means + log_stds.exp() * torch.randn_like(means)
    worth = values_of(policy.critic_target, observations, actions).amin(dim=0)
    eta = policy.log_eta.detach().exp()
    return (eta * log_probs - worth).mean(), log_probs.detach().mean()


def move_balance(policy: FamilyPolicy, observations: Tensor) -> dict[str, Tensor]:
    """Make a gradient step of the balance model and of its entropy's weight.

    Args:
        policy: the networks with their optimizers.
        observations: of shape (batch, inputs).

    Returns:
        What is to be logged.
    """
    loss, log_prob = balance_loss(policy, observations)
    step(policy.balance_optimizer, loss)
    eta_loss, gradient = temperature_loss(policy.log_eta.detach(), log_prob, TARGET_ENTROPY)
    policy.log_eta.grad = gradient.reshape(1)
    policy.eta_optimizer.step()
    with torch.no_grad():
        chosen, _ = policy.choose(observations)
    return {
        "balance_loss": loss,
        "eta": policy.log_eta.detach().exp().squeeze(),
        "eta_loss": eta_loss,
        "coefficient": chosen.mean(),
    }


def require_range(coefficients: tuple[float, float]) -> tuple[float, float]:
    """Return a range of coefficients as floats.

    Args:
        coefficients: two numbers of 0 or more, the smaller first.

    Raises:
        SettingsError: they are none.
    """
    low, high = coefficients
    if not 0 <= low < high:
        raise SettingsError(
            f"coefficients must be two numbers of 0 or more, the smaller first, not {low} and "
            f"{high}"
        )
    return float(low), float(high)
