"""Reset and distill: each task is learned anew, and one policy remembers them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from ..flat_adam import MOMENTS, AdamSettings
from ..layers import Part
from .answer_memory import divergence_from_kept, keep_answers, kept_tasks
from .retention_method import RetentionMethod, is_policy
from .task import Task

ADAM = AdamSettings((0.9, 0.999), 1e-8, 0.0)
"""What trains the policy that remembers (torch's defaults)."""


@final
@dataclass(eq=False, repr=False)
class ResetAndDistill(RetentionMethod):
    """Reset and distill (Ahn et al. 2025).

    "Prevalence of negative transfer in continual reinforcement learning", ICLR 2025. There are two
    policies. The agent's own begins each task anew, as do its critics, so that no earlier task is
    in its way. When the task ends, some of its observations are kept with what the policy answers
    there, and a second policy is trained to answer the same in all tasks so far, by the forward KL
    divergence (the paper's code takes the reverse one for old tasks; here both are forward). The
    second acts in tasks that have ended; in the present task the own one does. A task that comes
    again is learned anew, too. Beside `multi-head` heads are each task's own.

    Example:
        >>> ResetAndDistill(distill_steps=2000).memory_size
        10000
    """

    name: ClassVar[str] = "reset-and-distill"
    brings: ClassVar[str | None] = "weights of tasks"

    memory_size: int = 10_000
    """Observations kept of each task, 1 or more (paper's code: 10,000)."""

    distill_steps: int = 10_000
    """Gradient steps of the second policy when a task ends, 0 or more (ours)."""

    batch_size: int = 256
    """Observations in each of them, 1 or more (SAC's)."""

    distill_rate: float = 1e-3
    """Step size of Adam for the second policy, more than 0 (Adam's default)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("memory_size", self.memory_size >= 1, "1 or more")
        self.require("distill_steps", self.distill_steps >= 0, "0 or more")
        self.require("batch_size", self.batch_size >= 1, "1 or more")
        self.require("distill_rate", self.distill_rate > 0, "more than 0")

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Let the second policy begin as the agent's own."""
        self.generator = torch.Generator().manual_seed(seed)
        self.parts = tuple(parts)
        self.policy = next(part for part in parts if is_policy(part))
        for place, parameter in enumerate(self.policy.parameters):
            self.register_buffer(f"second_{place}", parameter.detach().clone())
        self.register_buffer("present", torch.zeros((), dtype=torch.long))

    def start_task(self, task: Task, previous: Task | None) -> None:
        """Begin all networks anew, but for the first task's."""
        self.get_buffer("present").fill_(task.number)
        seed = int(torch.randint(2**62, (), generator=self.generator))
        if previous is None:
            return
        for part in self.parts:
            if part.fresh is None:
                continue
            fresh = part.fresh(seed)
            for place, parameter in enumerate(part.parameters):
                # Heads of its own are begun, or brought back, by who has them.
                if place in part.by_task:
                    continue
                parameter.copy_(fresh[place])
                if part.target:
                    part.target[place].copy_(fresh[place])

    def end_task(self, task: Task) -> None:
        """Keep some of the task, and distill all tasks into the second policy."""
        keep_answers(self, self.policy, task, self.memory_size)
        self._distill()

    def parameters_for(
        self, part: Part, task: int, parameters: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        """Return the second policy's parameters for tasks that have ended."""
        ended = f"observations_{task}" in self._buffers
        if part is not self.policy or not ended or task == int(self.get_buffer("present")):
            return parameters
        return [
            own if place in part.by_task else self.get_buffer(f"second_{place}")
            for place, own in enumerate(parameters)
        ]

    def _distill(self) -> None:
        part = self.policy
        shared = [place for place in range(len(part.parameters)) if place not in part.by_task]
        second = [self.get_buffer(f"second_{place}") for place in shared]
        values = torch.cat([each.reshape(-1) for each in second])
        memory = {name: torch.zeros_like(values) for name in MOMENTS}
        for step in range(1, self.distill_steps + 1):
            leaf = values.detach().requires_grad_()
            with torch.enable_grad():
                pieces = dict(zip(shared, _split(leaf, second), strict=True))

            def parameters_of(task: int, pieces: dict[int, Tensor] = pieces) -> list[Tensor]:
                # Heads of tasks are where they are; all else is the second policy's.
                assert part.parameters_of is not None
                theirs = part.parameters_of(task)
                return [pieces.get(place, own.detach()) for place, own in enumerate(theirs)]

            with torch.enable_grad():
                loss = divergence_from_kept(
                    self, part, kept_tasks(self), self.batch_size, parameters_of
                )
                (gradient,) = torch.autograd.grad(loss, leaf)
            weights = [1 - beta**step for beta in ADAM.betas]
            ADAM.step(values, memory, gradient, self.distill_rate, weights)
        for each, value in zip(second, _split(values, second), strict=True):
            each.copy_(value)


def _split(flat: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    pieces = flat.split([tensor.numel() for tensor in like])
    return [piece.view(tensor.shape) for piece, tensor in zip(pieces, like, strict=True)]
