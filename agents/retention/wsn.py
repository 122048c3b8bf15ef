"""Winning sub-networks: scores choose a task's weights, and may choose earlier tasks' again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from ..flat_adam import MOMENTS, AdamSettings
from ..layers import Part
from .retention_method import RetentionMethod, is_policy
from .sub_networks import keep_largest, matrices, vectors
from .task import Task

ADAM = AdamSettings((0.9, 0.999), 1e-8, 0.0)
"""What moves the scores (torch's defaults)."""


@final
@dataclass(eq=False, repr=False)
class WSN(RetentionMethod):
    """Winning sub-networks (Kang et al. 2022).

    "Forget-free continual learning with winning subnetworks", ICML 2022. Each weight has a score; a
    task uses the `share` of each matrix whose scores are largest in magnitude. Weights and scores
    are trained together, a score with the gradient that its weight's mask has, straight through.
    When the task ends, its weights are frozen, whatever the optimizer does; scores go on, so that
    later tasks may use them too. Biases, norms and spreads are the first task's. In an earlier task
    the policy answers as it did, bit for bit, as far as heads are its own (`multi-head`) or shared
    and therefore masked as any matrix.

    The paper does not say what happens to scores between tasks; as in its code they go on. Masks
    are kept as they are, and not compressed. A task that comes again finds its weights as they
    were, and changes none of them but its head. Critics are left alone.

    Example:
        >>> WSN(share=0.3)
        WSN(share=0.3, score_rate=None)
    """

    name: ClassVar[str] = "wsn"
    brings: ClassVar[str | None] = "weights of tasks"

    share: float = 0.5
    """Which share of each matrix a task uses, more than 0 and at most 1 (paper's code: 0.5)."""

    score_rate: float | None = None
    """Step size of Adam for the scores, more than 0; none for that of the weights (paper)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("share", 0 < self.share <= 1, "more than 0 and at most 1")
        fits = self.score_rate is None or self.score_rate > 0
        self.require("score_rate", fits, "none, or more than 0")

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Draw scores, as for the weights of a linear map (Kaiming, uniform, a = sqrt 5)."""
        generator = torch.Generator().manual_seed(seed)
        self.policy = next(part for part in parts if is_policy(part))
        for place, parameter in enumerate(self.policy.parameters):
            weight = parameter.detach().clone()
            nothing = torch.zeros_like(weight)
            bound = 1 / math.sqrt(weight[0].numel()) if weight.ndim > 1 else 1.0
            drawn = torch.rand(weight.shape, generator=generator).to(weight) * 2 * bound - bound
            self.register_buffer(f"weight_{place}", weight)
            self.register_buffer(f"score_{place}", drawn)
            self.register_buffer(f"mask_{place}", nothing == 0)
            self.register_buffer(f"used_{place}", nothing != 0)
            for name in MOMENTS:
                self.register_buffer(f"{name}_{place}", nothing.clone())
        for name in ("score_steps", "ended"):
            self.register_buffer(name, torch.zeros((), dtype=torch.long))
        self.register_buffer("again", torch.zeros((), dtype=torch.bool))

    def start_task(self, task: Task, previous: Task | None) -> None:
        """Choose the task's weights by the scores, or as they were if it was there before."""
        again = task.number < int(self.get_buffer("ended"))
        self.get_buffer("again").fill_(again)
        self.get_buffer("score_steps").zero_()
        for place in matrices(self.policy):
            for name in MOMENTS:
                self._of(name, place).zero_()
            if again:
                self._of("mask", place).copy_(self.get_buffer(f"task_{task.number}_{place}"))
            else:
                self._of("mask", place).copy_(self._choose(place))
        self._show()

    def end_task(self, task: Task) -> None:
        """Keep the task's mask, and freeze its weights."""
        if bool(self.get_buffer("again")):
            return
        for place in matrices(self.policy):
            mask = self._of("mask", place)
            self.register_buffer(f"task_{task.number}_{place}", mask.clone())
            self._of("used", place).logical_or_(mask)
        for place in vectors(self.policy):
            self._of("used", place).fill_(True)
        self.get_buffer("ended").add_(1)

    def change_gradients(self, part: Part, gradients: Sequence[Tensor]) -> None:
        """Move the scores, and leave the gradient to weights that are free and used."""
        if part is not self.policy:
            return
        if self.share < 1 and not bool(self.get_buffer("again")):
            self._move_scores(part, gradients)
        for place in matrices(part):
            gradients[place].mul_(self._of("mask", place) & ~self._of("used", place))

    def after_step(self, part: Part) -> None:
        """Take over what the optimizer did to free weights, and choose anew."""
        if part is not self.policy:
            return
        again = bool(self.get_buffer("again"))
        for place in (*matrices(part), *vectors(part)):
            weight, parameter = self._of("weight", place), part.parameters[place]
            # A weight that is not used was 0 in the network, and so is as the step has made it.
            moved = torch.where(self._of("mask", place), parameter, weight + parameter)
            weight.copy_(torch.where(self._of("used", place) | again, weight, moved))
        for place in matrices(part):
            if self.share < 1 and not again:
                self._of("mask", place).copy_(self._choose(place))
        self._show()

    def parameters_for(
        self, part: Part, task: int, parameters: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        """Return the parameters with the task's mask."""
        if part is not self.policy or task >= int(self.get_buffer("ended")):
            return parameters
        found = list(parameters)
        for place in matrices(part):
            found[place] = self._of("weight", place) * self.get_buffer(f"task_{task}_{place}")
        for place in vectors(part):
            found[place] = self._of("weight", place)
        return found

    def after_iteration(self) -> dict[str, float]:
        """Return which share of the weights no earlier task uses."""
        used = [self._of("used", place) for place in matrices(self.policy)]
        total = max(sum(each.numel() for each in used), 1)
        return {"continual/free_weights": 1 - sum(int(each.sum()) for each in used) / total}

    def _move_scores(self, part: Part, gradients: Sequence[Tensor]) -> None:
        steps = self.get_buffer("score_steps").add_(1)
        weights = [1 - beta ** int(steps) for beta in ADAM.betas]
        rate = self.score_rate or float(part.optimizer.param_groups[0]["lr"])
        for place in matrices(part):
            memory = {name: self._of(name, place) for name in MOMENTS}
            gradient = gradients[place] * self._of("weight", place)
            ADAM.step(self._of("score", place), memory, gradient, rate, weights)

    def _choose(self, place: int) -> Tensor:
        score = self._of("score", place)
        return keep_largest(score, torch.ones_like(score, dtype=torch.bool), self.share)

    def _show(self) -> None:
        for place in matrices(self.policy):
            shown = self._of("weight", place) * self._of("mask", place)
            self.policy.parameters[place].copy_(shown)
        for place in vectors(self.policy):
            self.policy.parameters[place].copy_(self._of("weight", place))

    def _of(self, kind: str, place: int) -> Tensor:
        return self.get_buffer(f"{kind}_{place}")
