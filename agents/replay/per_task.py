"""A replay buffer with a memory of its own for each task."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, final

import numpy as np

from ...wrappers import info as names
from ...wrappers.errors import SettingsError, unknown
from .schedules import check_schedule
from .shares import random_counts
from .table import TransitionTable
from .tables import TableReplayBuffer, reservoir_row

MOST_TASKS = 100
"""More contexts than this are no tasks but a drift."""


@final
class TaskReplayBuffer(TableReplayBuffer):
    """A replay buffer that no task can fill alone, and that samples from all.

    Each context that the worlds tell is a task, and one that comes again is known again. With
    `present_share=None` all tasks that were seen get equal parts of each batch (equal task
    schedule, Klasson et al., "Learn the time to learn", 2023); else the present one gets its
    share, and the earlier ones equal parts of the rest, or those of a `schedule`.

    Args:
        *args: as for `TableReplayBuffer`.
        task_size: most transitions of a task; None for a tenth of `buffer_size`.
        keep: which transitions of a task are kept: a fair sample ("reservoir") or the "newest".
        by: what makes a task: the "context" or the "segment" that the worlds tell.
        present_share: the present task's part of each batch, from 0 to 1, or None.
        schedule: parts of the other tasks in what the present one leaves, in the order in which
            they came: a row where there is one other task, one where there are two, and so on, as
            `ScheduleSearch` finds them. None for equal parts.
        **kwargs: as for `TableReplayBuffer`.

    Raises:
        SettingsError: a setting out of its range; when steps are added, worlds that tell no
            context, or more than 100 of them, or than the schedule knows.

    Example:
        >>> from gymnasium import spaces
        >>> space = spaces.Box(-1, 1, (3,))
        >>> buffer = TaskReplayBuffer(100, space, space)
        >>> rows = np.zeros((1, 3)), np.ones((1, 3)), np.zeros((1, 3))
        >>> for task in (0, 1):
        ...     for _ in range(20):
        ...         truth = {"context": {"task": task}, "steps_since_change": 1}
        ...         buffer.add(*rows, np.zeros(1), np.zeros(1), [truth])
        >>> buffer.size(), sorted(buffer.tables)
        (20, ['{"task": 0}', '{"task": 1}'])
    """

    def __init__(
        self,
        *args: Any,
        task_size: int | None = None,
        keep: Literal["reservoir", "newest"] = "reservoir",
        by: Literal["context", "segment"] = "context",
        present_share: float | None = None,
        schedule: Sequence[Sequence[float]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if keep not in ("reservoir", "newest"):
            raise unknown("rule of what is kept", keep, ("reservoir", "newest"))
        if by not in ("context", "segment"):
            raise unknown("kind of task", by, ("context", "segment"))
        if task_size is not None and task_size < 1:
            raise SettingsError(f"task_size must be 1 or more, not {task_size}")
        if present_share is not None and not 0 <= present_share <= 1:
            raise SettingsError(f"present_share must be from 0 to 1, not {present_share}")
        self.task_size = max(self.buffer_size // 10, 1) if task_size is None else task_size
        self.keep = keep
        self.by = by
        self.present_share = present_share
        self.schedule = None if schedule is None else check_schedule(schedule)
        self.present: list[str] = []
        """The task that each copy's next transition belongs to."""

    @property
    def shares(self) -> dict[str, float]:
        """Each task's part of a batch."""
        known = [name for name, table in self.tables.items() if table.n_rows]
        present = sorted({name for name in self._last if name in known})
        others = [name for name in known if name not in present]
        if self.present_share is None or not others:
            present_share = len(present) / len(known)
        else:
            present_share = self.present_share
        parts = {name: present_share / len(present) for name in present}
        rest = 1 - present_share
        if self.schedule is None or not others:
            return parts | {name: rest / len(others) for name in others}
        row = self.schedule[len(others) - 1]
        return parts | {name: rest * part for name, part in zip(others, row, strict=True)}

    _last: Sequence[str] = ()
    """The tasks of the transitions that came last."""

    def get_state(self) -> dict[str, Any]:
        """Return all that is not in rows, see `Growing`."""
        return {**super().get_state(), "present": list(self.present), "last": list(self._last)}

    def set_state(self, state: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
        """Put the buffer into a state, see `Growing`."""
        super().set_state(state, rows)
        self.present, self._last = list(state["present"]), list(state["last"])

    def _names(self, infos: Sequence[dict[str, Any]]) -> list[str]:
        told = [self._task(info) for info in infos]
        # What an info tells is true of the next step: the first step is taken by its own.
        tasks, self.present = self.present or told, told
        self._last = tasks
        for name in {*tasks, *told}:
            self._table(name)
        if len(self.tables) > MOST_TASKS:
            raise SettingsError(
                f"more than {MOST_TASKS} tasks by {self.by}: a replay buffer of tasks needs a "
                "stream whose contexts come again, or few segments"
            )
        if self.schedule is not None and len(self.tables) > len(self.schedule) + 1:
            raise SettingsError(
                f"the replay schedule is of {len(self.schedule) + 1} tasks by {self.by}, and here "
                "comes another one"
            )
        return tasks

    def _task(self, info: Mapping[str, Any]) -> str:
        if self.by == "segment" and names.SEGMENT in info:
            return str(info[names.SEGMENT])
        if self.by == "context" and names.CONTEXT in info:
            context = {knob: _plain(value) for knob, value in info[names.CONTEXT].items()}
            return json.dumps(context, sort_keys=True)
        raise SettingsError(
            f"a replay buffer of tasks needs worlds that tell their {self.by}, as streams do"
        )

    def _row(self, table: TransitionTable, seen: int) -> int | None:
        if self.keep == "newest":
            return seen % table.size
        return reservoir_row(self.generator, table.size, seen)

    def _draw(self, batch_size: int) -> Iterator[tuple[TransitionTable, np.ndarray]]:
        for name, count in random_counts(self.shares, batch_size).items():
            table = self.tables[name]
            yield table, np.random.randint(0, table.n_rows, size=count)

    def _table_size(self) -> int:
        return self.task_size


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
