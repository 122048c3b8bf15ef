"""The steps that IQL and FamO2O share: values without any action outside of the data."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...wrappers.errors import SettingsError
from ..sac.losses import Batch
from .agent import follow, step
from .losses import advantage_weights, expectile_loss, imitation_loss, squared_loss
from .policies import values_of


class Judged(NamedTuple):
    """What is known of a batch once V has made its step.

    Attributes:
        known: the target critics' least values of the data's actions, of shape (batch,).
        values: V's, of shape (batch,).
        targets: what the critics are to predict, of shape (batch,).
        loss: V's, before its step.
    """

    known: Tensor
    values: Tensor
    targets: Tensor
    loss: Tensor


def require_expectile(expectile: float) -> None:
    """Raise unless an expectile can be used.

    Args:
        expectile: more than 0 and less than 1.

    Raises:
        SettingsError: it is not.
    """
    if not 0 < expectile < 1:
        raise SettingsError(f"expectile must be more than 0 and less than 1, not {expectile}")


def move_values(policy: Any, batch: Batch, expectile: float) -> Judged:
    """Make V's step, and judge the batch by the new V.

    Kostrikov et al., "Offline reinforcement learning with implicit Q-learning" (2022), equation 5.

    Args:
        policy: with `value`, `value_optimizer` and `critic_target`.
        batch: the transitions.
        expectile: of the target critics' values, from 0 to 1.
    """
    with torch.no_grad():
        known = values_of(policy.critic_target, batch.observations, batch.actions).amin(dim=0)
    values = policy.value(batch.observations).squeeze(1)
    loss = expectile_loss(known - values, expectile)
    step(policy.value_optimizer, loss)
    with torch.no_grad():
        values = policy.value(batch.observations).squeeze(1)
        following = policy.value(batch.next_observations).squeeze(1)
        targets = batch.rewards + (1 - batch.dones) * batch.discounts * following
    return Judged(known, values, targets, loss)


def move_actor_and_critics(
    policy: Any,
    batch: Batch,
    judged: Judged,
    temperature: float | Tensor,
    log_probs: Tensor,
    tau: float,
) -> dict[str, Tensor]:
    """Let the actor imitate by advantages, regress the critics, and let the targets follow.

    Equations 7 and 6 of the same paper.

    Args:
        policy: with `actor`, `critic` and `critic_target`.
        batch: the transitions.
        judged: from `move_values`.
        temperature: how much advantages weigh, in all rows alike or of shape (batch,).
        log_probs: logarithms of the densities of the data's actions, of shape (batch,).
        tau: how far the targets follow.

    Returns:
        What is to be logged, V's loss included.
    """
    weights = advantage_weights(judged.known, judged.values, temperature)
    actor_loss = imitation_loss(log_probs, weights)
    step(policy.actor.optimizer, actor_loss)
    q_values = values_of(policy.critic, batch.observations, batch.actions)
    critic_loss = squared_loss(q_values, judged.targets)
    step(policy.critic.optimizer, critic_loss)
    follow(list(policy.critic_target.parameters()), list(policy.critic.parameters()), tau)
    return {
        "value_loss": judged.loss,
        "actor_loss": actor_loss,
        "critic_loss": critic_loss,
        "advantage_weight": weights.mean(),
    }
