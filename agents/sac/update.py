"""One gradient step of soft actor-critic, as pure functions of explicit tensors.

Every back end but the reference runs what is described here: as it stands, or compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, final

import torch
from torch import Tensor

from ..flat_adam import AdamSettings, Memory
from ..penalties import Penalties, differentiate
from .losses import Batch, actor_loss, critic_loss, squash, td_targets, weigh
from .networks import Ensemble


@final
@dataclass(frozen=True)
class Update:
    """What stays the same from step to step."""

    body: Ensemble
    """The actor's hidden layers."""
    heads: Ensemble
    """The actor's two outputs: means and logarithms of standard deviations."""
    critic: Ensemble
    actor_adam: AdamSettings | None
    """Which Adam makes the steps; None where an optimizer makes its own."""
    critic_adam: AdamSettings | None
    actor_penalties: Penalties
    """What methods add to the actor's loss."""
    critic_penalties: Penalties
    """What methods add to the critics' loss."""
    entropy_backup: bool = True
    """Whether the entropy of next actions is part of the critics' targets."""
    actor_value: Literal["min", "mean"] = "min"
    """Which of the critics' values the actor raises."""
    target_value: Literal["min", "mean"] = "min"
    """Which of the target networks' values the critics are to predict."""
    keeps_features: bool = True
    """Whether the hidden units' outputs are wanted."""

    def act(
        self, actor: Tensor, observations: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return actions, the logarithms of their dimensions' densities, and hidden units.

        Args:
            actor: its flat parameters.
            observations: of shape (batch, inputs).
            noise: standard normal numbers, of shape (batch, dimensions).
        """
        body, heads = actor.split([sum(self.body.sizes), 2 * sum(self.heads.sizes)])
        hidden, features = self.body(body, observations)
        (means, log_stds), _ = self.heads(heads, hidden[0])
        return *squash(means, log_stds, noise), [*features, hidden]

    def critic_gradient(
        self,
        critic: Tensor,
        actor: Tensor,
        target: Tensor,
        batch: Batch,
        noise: Tensor,
        weights: Tensor | None,
        temperature: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor | None, list[Tensor]]:
        """Return the gradient of the critics' loss with penalties, and what is known of it.

        Args:
            critic: the critics' flat parameters.
            actor: the actor's.
            target: those of the target networks that are asked.
            batch: the transitions.
            noise: for the next actions.
            weights: of the action's dimensions in the entropy, or None.
            temperature: of shape (1,).

        Returns:
            The gradient, the loss without penalties, their sum if there are any, and the hidden
            units' outputs for the transitions' actions, each of shape (critics, batch, width).
        """
        next_actions, next_log_probs, _ = self.act(actor, batch.next_observations, noise)
        next_inputs = torch.cat([batch.next_observations, next_actions], dim=1)
        next_values, _ = self.critic(target, next_inputs)
        entropy_weight = temperature if self.entropy_backup else temperature * 0
        log_probs = weigh(next_log_probs, weights)
        targets = td_targets(
            batch, next_values.squeeze(2), log_probs, entropy_weight, self.target_value
        )
        inputs = torch.cat([batch.observations, batch.actions], dim=1)

        def loss_of(flat: Tensor) -> tuple[Tensor, list[Tensor]]:
            values, features = self.critic(flat, inputs)
            return critic_loss(values.squeeze(2), targets), _detach(features)

        gradient, loss, features = differentiate(loss_of, critic)
        gradient, penalty = _penalize(gradient, self.critic_penalties, critic)
        return gradient, loss, penalty, features if self.keeps_features else []

    def actor_gradient(
        self,
        actor: Tensor,
        critic: Tensor,
        observations: Tensor,
        noise: Tensor,
        weights: Tensor | None,
        temperature: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor | None, list[Tensor], Tensor]:
        """Return the gradient of the actor's loss with penalties, and what is known of it.

        Args:
            actor: its flat parameters.
            critic: the critics'.
            observations: of shape (batch, inputs).
            noise: for the actions.
            weights: of the action's dimensions in the entropy, or None.
            temperature: of shape (1,).

        Returns:
            The gradient, the loss without penalties, their sum if there are any, the hidden
            units' outputs, each of shape (1, batch, width), and the mean of the actions' weighed
            log-probabilities.
        """

        def loss_of(flat: Tensor) -> tuple[Tensor, tuple[Tensor, list[Tensor]]]:
            actions, log_probs, features = self.act(flat, observations, noise)
            values, _ = self.critic(critic, torch.cat([observations, actions], dim=1))
            whole = weigh(log_probs, weights)
            loss = actor_loss(values.squeeze(2), whole, temperature, self.actor_value)
            return loss, (whole.detach(), _detach(features))

        gradient, loss, (log_probs, features) = differentiate(loss_of, actor)
        gradient, penalty = _penalize(gradient, self.actor_penalties, actor)
        kept = features if self.keeps_features else []
        return gradient, loss, penalty, kept, log_probs.mean()


def _penalize(
    gradient: Tensor, penalties: Penalties, values: Tensor
) -> tuple[Tensor, Tensor | None]:
    if not penalties:
        return gradient, None
    of_penalty, penalty = penalties.differentiate(values)
    return gradient + of_penalty, penalty


def _detach(features: list[Tensor]) -> list[Tensor]:
    return [units.detach() for units in features]


def make_functions(update: Update) -> dict[str, Callable[..., Any]]:
    """Return what a back end runs, or compiles: functions that keep nothing.

    Args:
        update: what stays the same from step to step.

    Returns:
        For the actor and the critics, `*_gradient`; `*_apply`, which makes a step of Adam with a
        gradient; and `*_step`, which is both.
    """
    networks: dict[str, tuple[Callable[..., Any], AdamSettings | None, Penalties]] = {
        "critic": (update.critic_gradient, update.critic_adam, update.critic_penalties),
        "actor": (update.actor_gradient, update.actor_adam, update.actor_penalties),
    }
    return {
        f"{name}_{kind}": function
        for name, each in networks.items()
        for kind, function in _functions_of(*each).items()
    }


def _functions_of(
    differentiates: Callable[..., Any], adam: AdamSettings | None, penalties: Penalties
) -> dict[str, Callable[..., Any]]:
    def gradient(values: Tensor, *rest: Any) -> tuple[Any, ...]:
        return differentiates(values, *rest)

    def apply(values: Tensor, memory: Memory, numbers: Tensor, flat: Tensor) -> None:
        assert adam is not None
        rate, *corrections = numbers.unbind()
        adam.step(values, memory, flat, rate, corrections)
        penalties.track(values)

    def step(values: Tensor, memory: Memory, numbers: Tensor, *rest: Any) -> tuple[Any, ...]:
        flat, *results = differentiates(values, *rest)
        apply(values, memory, numbers, flat)
        return tuple(results)

    return {"gradient": gradient, "apply": apply, "step": step}
