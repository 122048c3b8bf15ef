"""A learning rate that never ends: up, down to a level, and on; up again at a change."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from ...wrappers.errors import SettingsError
from ..layers import Part
from ..method import Method


@final
@dataclass(eq=False, repr=False)
class InfiniteSchedule(Method):
    """The infinite learning rate schedule (Ibrahim et al. 2024; Singh et al. 2025).

    "Simple and scalable strategies to continually pre-train large language models" and "Beyond
    cosine decay: On the effectiveness of infinite learning rate schedule for continual
    pre-training". The agent's `learning_rate` is multiplied by a share that rises in a line from 0
    to 1 for `warmup_steps`, falls as half a cosine to `constant` for `cooldown_steps`, and stays
    there. It depends on the environment steps of the agent's whole life alone, not on how long a
    call of `learn` is to take.

    When something is to be delivered, `anneal()` lets the share decay exponentially to `minimum`
    over `anneal_steps`. To learn on after it, `rewarm()` begins the warm-up and the cooldown anew,
    from where the share is; with `rewarm_at_change` that happens whenever the stream tells of a
    change, too. (The papers go on at the constant level when tasks change; warming up again made
    them forget.) Both begin at the last update's step.

    It sets the rate of every optimizer that stable-baselines3 sets, SAC's temperature included.
    With no warm-up, no cooldown and a constant share of 1 it changes nothing. An optimizer that
    takes the learning rate only to begin with, such as CoRe, is refused.

    Example:
        >>> schedule = InfiniteSchedule(warmup_steps=100, cooldown_steps=100, constant=0.5)
        >>> schedule.attach([], seed=0)
        >>> [schedule.learning_rate(1.0, steps) for steps in (50, 100, 150, 200, 10**9)]
        [0.5, 1.0, 0.75, 0.5, 0.5]
    """

    name: ClassVar[str] = "infinite-schedule"

    warmup_steps: int = 10_000
    """Environment steps of the rise, 0 or more (ours: 1 % of a million steps)."""

    cooldown_steps: int = 100_000
    """Environment steps of the fall, 0 or more (ours: 10 % of a million steps)."""

    constant: float = 0.5
    """The share that stays, from 0 to 1 (ours: about half, as the papers have)."""

    anneal_steps: int = 100_000
    """Environment steps of the decay after `anneal()`, 1 or more (ours: as the cooldown)."""

    minimum: float = 0.1
    """The share at which the decay ends, more than 0 and at most 1 (ours: a tenth)."""

    rewarm_at_change: bool = False
    """Whether a change that the stream tells begins the warm-up anew (papers: no)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        for setting in ("warmup_steps", "cooldown_steps"):
            self.require(setting, getattr(self, setting) >= 0, "0 or more")
        self.require("constant", 0 <= self.constant <= 1, "from 0 to 1")
        self.require("anneal_steps", self.anneal_steps >= 1, "1 or more")
        self.require("minimum", 0 < self.minimum <= 1, "more than 0 and at most 1")

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Begin.

        Raises:
            SettingsError: the optimizer takes the learning rate only to begin with.
        """
        for part in parts:
            if getattr(part.optimizer, "keeps_its_own_rates", False):
                raise SettingsError(
                    f"{self.name} can't set the learning rate of {type(part.optimizer).__name__}, "
                    "which takes it only to begin with"
                )
        self._now, self._begun, self._share_then, self._annealing = 0, 0, 0.0, False

    def learning_rate(self, rate: float, steps: int) -> float:
        """Return the rate times the present share."""
        self._now = steps
        return rate * self.share(steps)

    def share(self, steps: int) -> float:
        """Return what the learning rate is multiplied by.

        Args:
            steps: environment steps of the agent's life.
        """
        passed, share_then = steps - self._begun, self._share_then
        if self._annealing:
            part = min(passed / self.anneal_steps, 1.0)
            lowest = min(self.minimum, share_then)
            return lowest if part == 1 else share_then * (lowest / share_then) ** part
        if passed < self.warmup_steps:
            return share_then + (1 - share_then) * passed / self.warmup_steps
        passed -= self.warmup_steps
        if passed < self.cooldown_steps:
            fallen = (1 - math.cos(math.pi * passed / self.cooldown_steps)) / 2
            return 1 - (1 - self.constant) * fallen
        return self.constant

    def anneal(self) -> None:
        """Let the learning rate decay from now on, until `rewarm`."""
        self._begin(annealing=True)

    def rewarm(self) -> None:
        """Begin the warm-up anew, from the present learning rate."""
        self._begin(annealing=False)

    def on_change(self, info: Mapping[str, Any]) -> None:
        """Begin the warm-up anew, if that is wanted."""
        if self.rewarm_at_change:
            self.rewarm()

    def get_extra_state(self) -> Tensor:
        """Return where the schedule is."""
        state = [self._now, self._begun, self._share_then, self._annealing]
        return torch.tensor(state, dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        """Bring back where the schedule was."""
        now, begun, self._share_then, annealing = state.tolist()
        self._now, self._begun, self._annealing = int(now), int(begun), bool(annealing)

    def _begin(self, annealing: bool) -> None:
        self._share_then = self.share(self._now)
        self._begun, self._annealing = self._now, annealing
