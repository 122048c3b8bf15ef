"""The table from gymnasium's ids to the tasks that this back end steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ...wrappers.errors import SettingsError, unknown
from . import tasks
from .task import Task

_TASKS: dict[str, type[Task]] = {
    "Ant-v5": tasks.Ant,
    "HalfCheetah-v5": tasks.HalfCheetah,
    "Hopper-v5": tasks.Hopper,
    "Humanoid-v5": tasks.Humanoid,
    "InvertedDoublePendulum-v5": tasks.InvertedDoublePendulum,
    "InvertedPendulum-v5": tasks.InvertedPendulum,
    "Pusher-v5": tasks.Pusher,
    "Reacher-v5": tasks.Reacher,
    "Swimmer-v5": tasks.Swimmer,
    "Walker2d-v5": tasks.Walker2d,
}


def register_task(world: str, task: type[Task]) -> None:
    """Let this back end step another world.

    Args:
        world: the world's id; gymnasium must know it, for the length of its episodes.
        task: a frozen dataclass of the world's settings.

    Raises:
        SettingsError: if the id is taken by another task.
    """
    if _TASKS.get(world, task) is not task:
        raise SettingsError(f"the native MuJoCo world {world!r} is registered already")
    _TASKS[world] = task


def native_worlds() -> tuple[str, ...]:
    """Return the ids of all worlds that this back end steps, sorted.

    Example:
        >>> native_worlds()[:2]
        ('Ant-v5', 'HalfCheetah-v5')
    """
    return tuple(sorted(_TASKS))


def make_task(world: str, settings: Mapping[str, Any]) -> Task:
    """Make a world's task.

    Args:
        world: the world's id.
        settings: what gymnasium's world of that id takes, by name.

    Returns:
        The task.

    Raises:
        SettingsError: for an unknown id or setting, or one that cannot be supported here.

    Example:
        >>> make_task("HalfCheetah-v5", {"ctrl_cost_weight": 0.0}).frame_skip
        5
    """
    if world not in _TASKS:
        raise unknown("native MuJoCo world", world, _TASKS)
    kind = _TASKS[world]
    allowed = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for name in settings:
        if name not in allowed:
            raise unknown(f"setting of native MuJoCo world {world!r}:", name, allowed)
    task = kind(**settings)
    if not isinstance(task.frame_skip, int) or task.frame_skip < 1:
        raise SettingsError(f"frame_skip must be a whole number above 0, not {task.frame_skip!r}")
    return task
