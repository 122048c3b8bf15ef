"""ACE's entropy, in which action dimensions weigh as much as they move the reward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from ..layers import Part
from ..method import Method
from .causal_effects import Estimator, Influence, choose_estimator, reward_effects, weights_of
from .newest import newest_transitions, ordered_buffer
from .replay import Replay


@final
@dataclass(eq=False, repr=False)
class CausalityAwareEntropy(Method):
    """Causality-aware entropy (Ji et al. 2024): explore along what moves the reward.

    Ji et al., "ACE: Off-policy actor-critic with causality-aware entropy regularization", ICML
    2024. Everywhere in SAC's update the logarithm of an action's density becomes the sum over its
    dimensions of weight times log-density: in the critics' targets, the actor's loss and the
    temperature's. Actions are drawn as ever. The weights are 1 until the first estimate, and sum
    to the number of dimensions always: with one dimension nothing changes.

    They are estimated from the newest transitions of the replay buffer, which are read and not
    drawn, so that estimating changes no random number. ACE's other half, the reset by dormant
    gradients, is the method `dormant-gradient-perturbation`; `--preset ace` has both.

    Each dimension's weight is logged as `replay/entropy_weight/<dimension>`.

    Example:
        >>> CausalityAwareEntropy(influence="absolute").every_steps
        10000
    """

    name: ClassVar[str] = "causality-aware-entropy"
    brings: ClassVar[str | None] = "entropy weights"

    influence: Influence = "signed"
    """Whether effects count with their sign (released code), by their size (ours), or not."""

    estimator: Estimator = "auto"
    """DirectLiNGAM (paper), least squares, or the first where the package lingam is there."""

    every_steps: int = 10_000
    """Environment steps from one estimate to the next, over all copies (released code: 10,000)."""

    samples: int = 10_000
    """Newest transitions an estimate is made of; there is none before there are as many, or the
    buffer is full (released code: 10,000)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range, or needs a package that is not there.
        """
        super().__post_init__()
        self.require("every_steps", self.every_steps >= 1, "1 or more")
        self.require("samples", self.samples >= 2, "2 or more")
        choose_estimator(self.estimator)

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Begin with weights of 1."""
        self._period = 0
        weights = torch.ones(parts[0].output[0].out_features).to(parts[0].parameters[0])
        self.register_buffer("weights", weights)

    def entropy_weights(self) -> Tensor | None:
        """Return the weights."""
        return None if self.influence == "off" else self.get_buffer("weights")

    def before_updates(self, replay: Replay) -> None:
        """Estimate the weights if it is time.

        Raises:
            SettingsError: the buffer does not know which transitions are the newest.
        """
        if self.influence == "off":
            return
        buffer = ordered_buffer(replay.buffer)
        period = replay.steps // self.every_steps
        if period == self._period:
            return
        self._period = period
        if buffer.size() * buffer.n_envs < self.samples and buffer.size() < buffer.buffer_size:
            return
        transitions = newest_transitions(buffer, self.samples)
        effects = reward_effects(transitions, choose_estimator(self.estimator))
        if np.isfinite(effects).all():
            weights = self.get_buffer("weights")
            weights.copy_(torch.as_tensor(weights_of(effects, self.influence)))

    def after_iteration(self) -> dict[str, float]:
        """Return the weights."""
        if self.influence == "off":
            return {}
        weights = self.get_buffer("weights").tolist()
        return {f"replay/entropy_weight/{index}": weight for index, weight in enumerate(weights)}

    def get_extra_state(self) -> Tensor:
        """Return when the last estimate was due."""
        return torch.tensor([self._period])

    def set_extra_state(self, state: Tensor) -> None:
        """Bring it back."""
        self._period = int(state.item())
