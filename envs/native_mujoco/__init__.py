"""A vector environment of our own for gymnasium's MuJoCo tasks: fast, exact, and changeable."""

from .registry import native_worlds, register_task
from .task import Outcome, Task
from .worlds import NativeMujocoWorlds

__all__ = ["NativeMujocoWorlds", "Outcome", "Task", "native_worlds", "register_task"]
