"""One gradient step of proximal policy optimization, as pure functions of explicit tensors.

Every back end runs what is described here: as it stands, or compiled into one function.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, final

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor

from ..flat_adam import AdamSettings, Memory
from ..layers import Units
from ..method import Method
from ..networks import Chain, Gradients, Parameters, make_chain
from ..penalties import Penalties
from .batches import Columns
from .loss import Likelihood, Scale, categorical, clipped_surrogate, gaussian, value_loss

Features = dict[str, list[Tensor]]
"""The outputs of each network's hidden units, each of shape (batch, width); or nothing."""


@final
class Scales(NamedTuple):
    """Numbers that may change between gradient steps."""

    learning_rate: Scale
    clip_range: Scale
    clip_range_vf: Scale
    entropy_coefficient: Scale
    value_coefficient: Scale
    max_grad_norm: Scale
    mean_correction: Scale
    """1 - beta1**steps, Adam's bias correction where no element was reset."""
    square_correction: Scale
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
    penalty: float | Tensor
    """What methods added to the loss through `regularize`; not contained in it."""


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

    def units(self, parameters: Parameters, features: Features) -> dict[str, list[Units]]:
        """Return each network's hidden layers as observers see them.

        Args:
            parameters: all of the agent's.
            features: the hidden units' outputs.
        """
        chains = {"actor": self.actor, "critic": self.critic}
        return {
            name: [
                Units(outputs, (parameters[reader],), parameters[maker])
                for outputs, (maker, reader) in zip(
                    features[name], pairwise(chain.weights), strict=True
                )
            ]
            for name, chain in chains.items()
        }


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
    columns: Columns
    """How minibatches are packed."""
    shapes: tuple[torch.Size, ...]
    """The parameters' shapes."""
    adam: AdamSettings | None
    """Which Adam makes the steps; None where an optimizer makes its own."""
    normalize_advantage: bool
    clip_values: bool
    batch_size: int
    """Transitions in a whole minibatch; shapes follow from it, and so does compiled code."""
    dtype: torch.dtype
    """The parameters' type."""
    keeps_features: bool
    """Whether somebody else wants to know the hidden units' outputs."""
    observers: tuple[Method, ...]
    """The methods whose `observe` takes part."""
    penalties: Penalties
    """What methods add to the loss."""

    def step(
        self, values: Tensor, memory: Memory, rows: Tensor, scales: Scales
    ) -> tuple[Tensor, Features]:
        """Make one gradient step.

        Args:
            values: all parameters in one flat tensor, changed in place.
            memory: Adam's state in flat tensors, changed in place.
            rows: the transitions, packed.
            scales: the numbers of this step.

        Returns:
            `Statistics` as one tensor, and the hidden units' outputs.
        """
        gradient, statistics, features = self.gradient(values, rows, scales)
        self.apply(values, memory, gradient, scales, features)
        return statistics, features if self.keeps_features else {}

    def gradient(
        self, values: Tensor, rows: Tensor, scales: Scales
    ) -> tuple[Tensor, Tensor, Features]:
        """Return the gradient of loss and penalties in all parameters, before it is clipped.

        Args:
            values: all parameters in one flat tensor.
            rows: the transitions, packed.
            scales: the numbers of this step.

        Returns:
            The flat gradient, `Statistics` as one tensor, and the hidden units' outputs.
        """
        networks, parameters = self.networks, self._split(values)
        batch = self.columns.unpack(rows)
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
        flat = torch.cat([gradients[i].reshape(-1) for i in range(len(self.shapes))])
        penalty = torch.zeros_like(loss)
        if self.penalties:
            of_penalty, penalty = self.penalties.differentiate(values)
            flat = flat + of_penalty
        statistics = Statistics(
            loss,
            surrogate.loss,
            critic_loss,
            entropy_loss,
            surrogate.approx_kl,
            surrogate.clip_fraction,
            penalty,
        )
        features: Features = {}
        if self.keeps_features or self.observers:
            features = {
                "actor": networks.actor.features(actor),
                "critic": networks.critic.features(critic),
            }
        return flat, torch.stack(list(statistics)), features  # type: ignore[arg-type]

    def apply(
        self,
        values: Tensor,
        memory: Memory,
        gradient: Tensor,
        scales: Scales,
        features: Features,
    ) -> None:
        """Clip a gradient, make a step of Adam with it, and let the methods look.

        Args:
            values: all parameters in one flat tensor, changed in place.
            memory: Adam's state in flat tensors, changed in place.
            gradient: the loss's, in one flat tensor, clipped in place.
            scales: the numbers of this step.
            features: the hidden units' outputs.
        """
        assert self.adam is not None
        self.clip(gradient, scales)
        corrections = scales.mean_correction, scales.square_correction
        self.adam.step(values, memory, gradient, scales.learning_rate, corrections)
        self.observe(values, features)

    def clip(self, gradient: Tensor, scales: Scales) -> None:
        """Shorten a gradient that is too long.

        Args:
            gradient: in one flat tensor, changed in place.
            scales: the numbers of this step.
        """
        norm = torch.linalg.vector_norm(gradient)
        gradient.mul_((scales.max_grad_norm / (norm + 1e-6)).clamp(max=1.0))

    def observe(self, values: Tensor, features: Features) -> None:
        """Let the methods look at weights and units after a step.

        Args:
            values: all parameters in one flat tensor.
            features: the hidden units' outputs before the step.
        """
        self.penalties.track(values)
        parameters = self._split(values) if self.observers else []
        for observer in self.observers:
            for name, units in self.networks.units(parameters, features).items():
                observer.observe(name, units)

    def _split(self, values: Tensor) -> list[Tensor]:
        pieces = values.split([shape.numel() for shape in self.shapes])
        return [piece.view(shape) for piece, shape in zip(pieces, self.shapes, strict=True)]
