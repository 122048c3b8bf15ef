"""Reactive Exploration: rewards for going where a model of the world is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
import torch
from torch import Tensor, nn

from ..experience import Experience
from ..layers import Part
from ..method import Method
from .dynamics import DynamicsModel
from .scales import CLIP, ForgettingScale
from .transitions import Transitions

BATCH = 64
"""Steps in a gradient step of the model (their CartPole script)."""


@final
@dataclass(eq=False, repr=False)
class ReactiveExploration(Method):
    """Reactive Exploration (Steinparz et al., CoLLAs 2022, arXiv 2207.05742).

    The agent learns from r' = (1 - b) r + b (h / 2) |e|^2, and then from
    r'' = (1 - c) r' + c (k / 2) d^2, where e is the error of a forward model on learned features
    (`DynamicsModel`), d that of a model of the reward, b `dynamics_share`, h `dynamics_scale`, c
    `reward_share` and k `reward_scale`. Both errors rise where the world has changed: the agent is
    drawn there, until its models have learned what is new. With both shares 0 it changes nothing.

    The authors train the models with the policy, by one optimizer, on each step of a rollout ten
    times. Here they have an Adam of their own, and make `updates` steps after each `every_steps`
    steps of the world, so that off-policy agents can have them too. Those keep the rewards of the
    moment in their replay buffer, also when the models have learned since.

    Logged returns, and those of evaluations, are the world's. Other agents, such as
    stable-baselines3's DQN, get these rewards by `everlearn.agents.reaction.worlds.react`.

    Example:
        >>> ReactiveExploration(dynamics_share=2)
        Traceback (most recent call last):
        ...
        everlearn.wrappers.errors.SettingsError: reactive-exploration setting 'dynamics_share' \
must be from 0 to 1, not 2.0
    """

    name: ClassVar[str] = "reactive-exploration"

    dynamics_share: float = 0.15
    """Share of the forward model's bonus, from 0 to 1 (their CartPole script)."""

    dynamics_scale: float = 1.0
    """Scale of that bonus, 0 or more (their CartPole script)."""

    reward_share: float = 0.15
    """Share of the reward model's bonus, from 0 to 1 (their CartPole script)."""

    reward_scale: float = 0.2
    """Scale of that bonus, 0 or more (their CartPole script)."""

    normalization: Literal["none", "forgetting", "lifetime"] = "none"
    """What squared errors are divided by: nothing (theirs), their mean of the last `horizon` steps,
    or of the whole life, in which shocks drown that come after a larger one (ours). They are then
    10 at most."""

    features: Literal["inverse", "observations"] = "inverse"
    """What the forward model predicts: features that tell the action (theirs), or observations."""

    forward_weight: float = 0.2
    """Weight of the forward model's loss beside the inverse model's, from 0 to 1 (theirs)."""

    hidden_size: int = 128
    """Units of each hidden layer, and features, 1 or more (theirs)."""

    every_steps: int = 64
    """Environment steps over all copies from one training of the models to the next (ours)."""

    updates: int = 10
    """Gradient steps of the models in a training, 1 or more (theirs: ten for 64 steps)."""

    model_learning_rate: float = 3e-4
    """Of the models' Adam, more than 0 (theirs)."""

    memory: int = 512
    """Newest steps that the models learn from, as many as begin a training or more (ours; theirs
    are the newest rollout's 2048, which do not hold older ones)."""

    horizon: float = 10_000.0
    """Steps after which scales have forgotten most, more than 0 (ours)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        for name in ("dynamics_share", "reward_share", "forward_weight"):
            self.require(name, 0 <= getattr(self, name) <= 1, "from 0 to 1")
        for name in ("dynamics_scale", "reward_scale"):
            self.require(name, getattr(self, name) >= 0, "0 or more")
        for name in ("hidden_size", "every_steps", "updates"):
            self.require(name, getattr(self, name) >= 1, "1 or more")
        for name in ("model_learning_rate", "horizon"):
            self.require(name, getattr(self, name) > 0, "more than 0")
        self.require("memory", self.memory >= self.every_steps, "every_steps or more")

    @property
    def acts(self) -> bool:
        """Whether any bonus enters the reward."""
        return self.dynamics_share > 0 or self.reward_share > 0

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Make the models.

        Raises:
            SettingsError: observations are no vector of numbers, or actions of another kind.
        """
        self.generator = torch.Generator().manual_seed(seed)
        if self.spaces is None:
            return
        self.transitions = Transitions(self.spaces, self.every_steps, self.memory, self.name)
        self.model = DynamicsModel(
            self.transitions.n_inputs,
            self.spaces[1],
            self.transitions.n_actions,
            self.hidden_size if self.features == "inverse" else 0,
            self.hidden_size,
            self.forward_weight,
            self.model_learning_rate,
            self.horizon,
            self.generator,
        )
        horizon = float("inf") if self.normalization == "lifetime" else self.horizon
        self.usual = ForgettingScale(2, horizon)
        self.known = _Known()

    @torch.no_grad()
    def reward(self, experience: Experience, rewards: np.ndarray) -> np.ndarray:
        """Return the rewards mixed with the models' errors, and let the models learn."""
        if not self.acts:
            return rewards
        rows = self.transitions.read(experience)
        bonus = self._bonus(rows).double().cpu().numpy()
        mixed = (1 - self.dynamics_share) * rewards + self.dynamics_share * bonus[:, 0]
        mixed = (1 - self.reward_share) * mixed + self.reward_share * bonus[:, 1]
        for window in self.transitions.gather(rows):
            self._learn(window)
        return mixed.astype(rewards.dtype)

    def after_iteration(self) -> dict[str, float]:
        """Return the mean bonuses since the last row, before they are mixed into the reward."""
        if self.spaces is None or not self.acts:
            return {}
        steps, dynamics, reward = self.known.sums.tolist()
        self.known.sums.zero_()
        if not steps:
            return {}
        return {
            "exploration/dynamics_bonus": dynamics / steps,
            "exploration/reward_bonus": reward / steps,
        }

    def _bonus(self, rows: Tensor) -> Tensor:
        """Return both bonuses of each copy, of shape (copies, 2)."""
        if not self.known.learned:
            return rows.new_zeros(len(rows), 2)
        squares = self._squared_errors(rows)
        if self.normalization != "none":
            self.usual.update(squares)
            squares = (squares / self.usual.mean.clamp(min=1e-8)).clamp(max=CLIP)
        bonus = squares * squares.new_tensor([self.dynamics_scale, self.reward_scale]) / 2
        self.known.sums += torch.cat([bonus.new_tensor([len(bonus)]), bonus.sum(dim=0)])
        return bonus

    def _squared_errors(self, rows: Tensor) -> Tensor:
        dynamics, reward = self.model.errors(self.transitions.split(rows))
        # In the world's own units, as in the paper.
        return torch.stack([dynamics, reward * self.model.rewards.deviation.square()], dim=1)

    def _learn(self, window: Tensor) -> None:
        self.model.rescale(self.transitions.split(window))
        self.transitions.remember(window)
        assert self.generator is not None
        for _ in range(self.updates):
            self.model.learn(self.transitions.draw(BATCH, self.generator))
        self.known.learned.fill_(True)


@final
class _Known(nn.Module):
    """What is counted: buffers, to be saved."""

    learned: Tensor
    sums: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("learned", torch.zeros((), dtype=torch.bool))
        # Steps since the last row of the log, and the sums of both bonuses.
        self.register_buffer("sums", torch.zeros(3, dtype=torch.float64))
