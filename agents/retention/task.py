"""A task as a retention method sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor


class Examples(NamedTuple):
    """Data of a task: what supervised learners and agents have in common of it."""

    observations: Tensor
    """Of shape (examples, inputs)."""

    actions: Tensor
    """What was done there, by a demonstrator or the agent itself, of shape (examples, actions)."""


def _no_examples(count: int, generator: torch.Generator | None) -> Examples:
    raise RuntimeError("a task that has not begun has no examples")


def _no_training(steps: int) -> None:
    raise RuntimeError("a task can be trained on only where it ends")


@final
@dataclass(frozen=True)
class Task:
    """One task of a sequence.

    Example:
        >>> Task(1, "Push the puck to a goal.").number
        1
    """

    number: int
    """Which one, from 0; a task that comes back has its number again."""

    description: str = ""
    """What is to be done, in words; empty where nobody says."""

    context: tuple[float, ...] = ()
    """Numbers that tell what is to be done, where words do not."""

    sample: Callable[[int, torch.Generator | None], Examples] = _no_examples
    """Draws examples of this task, with replacement."""

    train: Callable[[int], None] = _no_training
    """Makes gradient steps on the task's data, with all seams of all methods; for `end_task`."""

    @property
    def can_train(self) -> bool:
        """Whether there is data to train on; agents that learn from rollouts keep none."""
        return self.train is not _no_training
