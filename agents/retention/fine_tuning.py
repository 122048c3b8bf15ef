"""Fine-tuning: the next task is learned from where the last one ended, and nothing is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from .retention_method import RetentionMethod


@final
@dataclass(eq=False, repr=False)
class FineTuning(RetentionMethod):
    """Fine-tuning (Wolczyk et al., "Continual World", NeurIPS 2021): the reference that forgets.

    As any method of this package it lets the agent know tasks: at the start of one SAC's replay
    buffer is emptied, actions are random for `learning_starts` steps, and the temperature and the
    memory of all optimizers are as new; the networks go on. Beside another retention method it only
    says which of these are to be kept. Continual World's fine-tuning has heads for each task, which
    is `multi-head` alone.

    Example:
        >>> FineTuning(keep_optimizer=True)
        FineTuning(keep_replay=False, keep_optimizer=True, keep_temperature=False)
    """

    name: ClassVar[str] = "fine-tuning"

    keep_replay: bool = False
    """Whether SAC's replay buffer goes on through tasks (Wolczyk et al. 2021: it does not)."""

    keep_optimizer: bool = False
    """Whether optimizers remember the task before (Wolczyk et al. 2021: they do not)."""

    keep_temperature: bool = False
    """Whether SAC's temperature goes on through tasks (Wolczyk et al. 2021: one for each task)."""

    def keeps(self) -> frozenset[str]:
        """Return what the agent does not begin anew at a task."""
        asked = {
            "replay": self.keep_replay,
            "optimizer": self.keep_optimizer,
            "temperature": self.keep_temperature,
        }
        return frozenset(name for name, kept in asked.items() if kept)
