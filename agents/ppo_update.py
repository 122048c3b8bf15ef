"""One gradient step of proximal policy optimization, as pure functions of explicit tensors.

Every back end runs what is described here: as it stands, or compiled into one function.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor

from .adam import WEIGHTS
from .networks import Chain, Gradients, Parameters, make_chain
from .parameters import MOMENTS
from .ppo_loss import Batch, Likelihood, Scale, categorical, clipped_surrogate, gaussian, value_loss


@final
class Scales(NamedTuple):
    """Numbers that may change between gradient steps."""

    learning_rate: Scale
    clip_range: Scale
    clip_range_vf: Scale
    entropy_coefficient: Scale
    value_coefficient: Scale
    max_grad_norm: Scale
    kl_limit: Scale
    mean_weight: Scale
    """1 - beta1**steps, Adam's bias correction where no element was reset."""
    square_weight: Scale
    """1 - beta2**steps."""


@final
class Statistics(NamedTuple):
    """What is logged of a gradient step."""

    loss: float | Tensor
    policy_loss: float | Tensor
    value_loss: float | Tensor
    entropy_loss: float | Tensor
    approx_kl: float | Tensor
    clip_fraction: float | Tensor
    stopped: float | Tensor
    """1 where the step was not made, because `approx_kl` exceeds its limit; else 0."""


@final
@dataclass(frozen=True)
class ActorCritic:
    """The two networks of an agent, written as functions of its parameters."""

    actor: Chain
    critic: Chain
    log_std: int | None
    """Position of the logarithms of the standard deviations; None for finite sets of actions."""

    def judge(self, parameters: Parameters, outputs: Tensor, actions: Tensor) -> Likelihood:
        """Return what the policy says about actions.

        Args:
            parameters: all of the agent's.
            outputs: the actor's, of shape (batch, outputs).
            actions: that were taken.
        """
        if self.log_std is None:
            return categorical(outputs, actions)
        return gaussian(outputs, parameters[self.log_std], actions)


def write_actor_critic(policy: ActorCriticPolicy) -> ActorCritic:
    """Write a policy's networks as functions of its parameters.

    Args:
        policy: with an `MlpExtractor` and without other parameters.

    Raises:
        NotPure: a network can't be written so.
    """
    parameters = list(policy.parameters())
    body = policy.mlp_extractor
    log_std = getattr(policy, "log_std", None)
    return ActorCritic(
        make_chain([body.policy_net, policy.action_net], parameters),
        make_chain([body.value_net, policy.value_net], parameters),
        next((i for i, parameter in enumerate(parameters) if parameter is log_std), None),
    )


@final
@dataclass(frozen=True)
class Update:
    """What stays the same from step to step."""

    networks: ActorCritic
    shapes: tuple[torch.Size, ...]
    """The parameters' shapes."""
    betas: tuple[float, float]
    eps: float
    weight_decay: float
    normalize_advantage: bool
    clip_values: bool
    early_stop: bool

    def step(
        self, values: Tensor, memory: Mapping[str, Tensor], batch: Batch, scales: Scales
    ) -> tuple[Tensor, list[Tensor]]:
        """Make one gradient step.

        Args:
            values: all parameters in one flat tensor, changed in place.
            memory: Adam's state in flat tensors, changed in place.
            batch: the transitions.
            scales: the numbers of this step.

        Returns:
            `Statistics` as one tensor, and the hidden units' outputs, the actor's first.
        """
        gradient, statistics, features = self.gradient(values, batch, scales)
        self.apply(values, memory, gradient, scales, statistics[-1])
        return statistics, features

    def gradient(
        self, values: Tensor, batch: Batch, scales: Scales
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return the loss's gradient in all parameters, before it is clipped.

        Args:
            values: all parameters in one flat tensor.
            batch: the transitions.
            scales: the numbers of this step.

        Returns:
            The flat gradient, `Statistics` as one tensor, and the hidden units' outputs.
        """
        networks, parameters = self.networks, self._split(values)
        actor = networks.actor.forward(parameters, batch.observations)
        critic = networks.critic.forward(parameters, batch.observations)
        likelihood = networks.judge(parameters, actor[-1], batch.actions)
        surrogate = clipped_surrogate(
            likelihood.log_probs, batch, scales.clip_range, self.normalize_advantage
        )
        clip_range_vf = scales.clip_range_vf if self.clip_values else None
        critic_loss, of_values = value_loss(critic[-1].squeeze(1), batch, clip_range_vf)
        entropy_loss = -likelihood.entropy

        gradients: Gradients = {}
        of_outputs, of_log_std = likelihood.backward(
            surrogate.of_log_probs, -scales.entropy_coefficient
        )
        if networks.log_std is not None and of_log_std is not None:
            gradients[networks.log_std] = of_log_std
        networks.actor.backward(parameters, actor, of_outputs, gradients)
        of_values = (scales.value_coefficient * of_values).unsqueeze(1)
        networks.critic.backward(parameters, critic, of_values, gradients)

        loss = (
            surrogate.loss
            + scales.entropy_coefficient * entropy_loss
            + scales.value_coefficient * critic_loss
        )
        statistics = Statistics(
            loss,
            surrogate.loss,
            critic_loss,
            entropy_loss,
            surrogate.approx_kl,
            surrogate.clip_fraction,
            (surrogate.approx_kl > scales.kl_limit).to(loss.dtype),
        )
        flat = torch.cat([gradients[i].reshape(-1) for i in range(len(self.shapes))])
        features = networks.actor.features(actor) + networks.critic.features(critic)
        return flat, torch.stack(list(statistics)), features  # type: ignore[arg-type]

    def apply(
        self,
        values: Tensor,
        memory: Mapping[str, Tensor],
        gradient: Tensor,
        scales: Scales,
        stopped: Tensor,
    ) -> Tensor:
        """Clip a gradient and make a step of Adam with it.

        Kingma and Ba, "Adam: A method for stochastic optimization" (2015), Algorithm 1.

        Args:
            values: all parameters in one flat tensor, changed in place.
            memory: Adam's state in flat tensors, changed in place.
            gradient: the loss's, in one flat tensor.
            scales: the numbers of this step.
            stopped: whether to change nothing after all, where `early_stop` allows it.

        Returns:
            The clipped gradient.
        """
        norm = torch.linalg.vector_norm(gradient)
        clipped = gradient * (scales.max_grad_norm / (norm + 1e-6)).clamp(max=1.0)
        direction = clipped
        if self.weight_decay != 0:
            direction = clipped + self.weight_decay * values
        beta1, beta2 = self.betas
        new = {
            MOMENTS[0]: beta1 * memory[MOMENTS[0]] + (1 - beta1) * direction,
            MOMENTS[1]: beta2 * memory[MOMENTS[1]] + (1 - beta2) * direction.square(),
        }
        weights: Sequence[Scale] = (scales.mean_weight, scales.square_weight)
        if WEIGHTS[0] in memory:
            for name, beta in zip(WEIGHTS, self.betas, strict=True):
                new[name] = beta * memory[name] + (1 - beta)
            weights = [new[name] for name in WEIGHTS]
        denominator = (new[MOMENTS[1]] / weights[1]).sqrt() + self.eps
        change = new[MOMENTS[0]] / weights[0] / denominator
        updated = {"values": values - scales.learning_rate * change, **new}
        for name, tensor in updated.items():
            target = values if name == "values" else memory[name]
            target.copy_(torch.where(stopped > 0, target, tensor) if self.early_stop else tensor)
        return clipped

    def _split(self, values: Tensor) -> list[Tensor]:
        pieces = values.split([shape.numel() for shape in self.shapes])
        return [piece.view(shape) for piece, shape in zip(pieces, self.shapes, strict=True)]
