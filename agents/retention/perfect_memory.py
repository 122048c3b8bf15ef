"""Perfect memory: what was experienced in all tasks is replayed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from .retention_method import RetentionMethod


@final
@dataclass(eq=False, repr=False)
class PerfectMemory(RetentionMethod):
    """Perfect memory (Wolczyk et al., "Continual World", NeurIPS 2021): a reference.

    SAC's replay buffer is never emptied, so that each batch holds transitions of all tasks; the
    buffer must be large enough for all of them, and published batches are of 512 instead of 128.
    It needs a world that shows its task in observations: with `multi-head` beside it old
    transitions train the present task's head. In Continual World it is among the worst (0.12), as
    the critics' old targets grow stale; on image tasks (COOM) among the best.

    Example:
        >>> PerfectMemory()
        PerfectMemory()
    """

    name: ClassVar[str] = "perfect-memory"
    replays: ClassVar[bool] = True

    def keeps(self) -> frozenset[str]:
        """Return what the agent does not begin anew at a task."""
        return frozenset({"replay"})
