"""ClonEx: what was answered in earlier tasks is cloned, from a small memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from ..layers import Part
from .answer_memory import divergence_from_kept, keep_answers, kept_tasks
from .retention_method import RetentionMethod, is_policy
from .task import Task


@final
@dataclass(eq=False, repr=False)
class ClonEx(RetentionMethod):
    """Behavioural cloning of earlier policies: the retention of ClonEx-SAC.

    Wolczyk et al., "Disentangling transfer in continual reinforcement learning" (NeurIPS 2022).
    When a task ends, some of its observations are kept with what the policy answers there. From
    then on each step draws a batch of all that is kept, and the KL divergence of what the policy
    answers now in those tasks (with their heads, beside `multi-head`) is added to its loss.

    ClonEx also begins a task with the policy of the earlier task that gets the best return in it;
    here one of them acts at each step, drawn anew, if `explore_by` says so. Critics are not cloned;
    Continual World does not regularize them either.

    Example:
        >>> ClonEx(coefficient=1.0).batch_size
        128
    """

    name: ClassVar[str] = "clonex"

    coefficient: float = 100.0
    """Weight of the mean divergence, 0 or more (COOM: 100)."""

    memory_size: int = 10_000
    """Observations kept of each task, 1 or more (Wolczyk et al. 2022, COOM: 10,000)."""

    batch_size: int = 128
    """Observations drawn for each step, 1 or more (COOM: 128)."""

    explore_by: Literal["uniform", "previous"] = "uniform"
    """Who acts while SAC's buffer is filled anew: chance (Continual World), or earlier policies
    (after ClonEx)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("coefficient", self.coefficient >= 0, "0 or more")
        self.require("memory_size", self.memory_size >= 1, "1 or more")
        self.require("batch_size", self.batch_size >= 1, "1 or more")

    def exploration(self) -> Literal["uniform", "previous"]:
        """Return how an off-policy agent fills its empty replay buffer at a task but the first."""
        return self.explore_by

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Begin without a memory."""
        self.generator = torch.Generator().manual_seed(seed)
        self.policy = next(part for part in parts if is_policy(part))
        self.register_buffer("present", torch.zeros((), dtype=torch.long))

    def start_task(self, task: Task, previous: Task | None) -> None:
        """Let a task that comes again learn on."""
        self.get_buffer("present").fill_(task.number)

    def end_task(self, task: Task) -> None:
        """Keep some of the task's observations, and what the policy answers there."""
        if self.coefficient > 0:
            keep_answers(self, self.policy, task, self.memory_size)

    def penalty(self, part: Part) -> Tensor | None:
        """Return the divergence from what was answered in earlier tasks."""
        present = int(self.get_buffer("present"))
        tasks = [task for task in kept_tasks(self) if task != present]
        if part is not self.policy or not tasks or self.coefficient == 0:
            return None
        assert part.parameters_of is not None
        return self.coefficient * divergence_from_kept(
            self, part, tasks, self.batch_size, part.parameters_of
        )
