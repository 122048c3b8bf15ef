"""Whole worlds, one after the other, behind one pair of spaces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from ..wrappers.engine import ContextSetter
from ..wrappers.errors import SettingsError
from ..wrappers.knobs import Landing
from .autoreset import Outcome
from .task_spaces import (
    pad_observations,
    real_entries,
    translate_actions,
    union_actions,
    union_observations,
)
from .vector_arguments import common_value, derive_seed, first_seed, random_seed


@final
class TaskWorlds(VectorEnv):
    """Copies of one world out of several; which one, the context's `"task"` says, by its index.

    All worlds are seen through one pair of spaces: `union_observations`, `union_actions` and
    `translate_actions` say how. Only the current world is open, so that memory does not grow with
    the number of tasks.

    The next world is opened by the `reset` that follows a `set_context`, and seeded by the seed and
    the number of worlds opened before it: whatever came before, a seed determines everything.

    For one copy, `SingleCopy(TaskWorlds(...))` is a `gymnasium.Env`.

    Args:
        factories: for each task, what makes its world: a vector environment with same-step
            autoreset, the same number of copies in each. Each is made once at the start, for its
            spaces.
        names: each task's name; `info["task_name"]` holds the current one.
        keep_open: whether a world stays open while others are the current one, for tasks that come
            again and worlds that are slow to make. Its numbers are the same either way.
        tell_mask: whether `info["observation_mask"]` tells which entries of an observation are the
            world's own, and which are padding.

    Raises:
        SettingsError: for no task, unequal numbers of names and worlds, worlds whose spaces have
            no union, whose numbers of copies differ, or whose autoreset is not same-step.

    Example:
        >>> from everlearn.envs.envpool_worlds import EnvPoolWorlds
        >>> worlds = TaskWorlds(
        ...     [lambda: EnvPoolWorlds("CartPole-v1", 2), lambda: EnvPoolWorlds("Acrobot-v1", 2)],
        ...     names=["balance", "swing up"],
        ... )
        >>> worlds.reset(seed=0)[0].shape
        (2, 6)
        >>> worlds.set_context({"task": 1})
        True
        >>> worlds.reset()[1]["task_name"].tolist()
        ['swing up', 'swing up']
        >>> worlds.close()
    """

    landing = Landing.REBUILD
    """Another task is another world."""

    def __init__(
        self,
        factories: Sequence[Callable[[], VectorEnv]],
        names: Sequence[str],
        keep_open: bool = False,
        tell_mask: bool = False,
    ) -> None:
        if not factories or len(factories) != len(names):
            raise SettingsError(f"{len(factories)} tasks cannot have {len(names)} names")
        self._factories = list(factories)
        self.task_names = tuple(names)
        self._keep_open = keep_open
        self._tell_mask = tell_mask
        self._open: dict[int, VectorEnv] = {}
        described = [_describe(factory) for factory in factories]
        copies = {num_envs for _, _, num_envs in described}
        if len(copies) > 1:
            raise SettingsError(f"tasks must have the same number of copies, not {sorted(copies)}")
        self.num_envs = copies.pop()
        self._observation_spaces = [space for space, _, _ in described]
        self._action_spaces = [space for _, space, _ in described]
        self._observations = union_observations(self._observation_spaces)
        self.single_observation_space = self._observations
        self.single_action_space = union_actions(self._action_spaces)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self._task = 0
        self._next_task = 0
        self._context: dict[str, Any] = {}
        self._seed: int | None = None
        self._worlds_begun = 0

    @property
    def task(self) -> int:
        """Index of the current task."""
        return self._task

    def set_context(self, context: Mapping[str, Any]) -> bool:
        """Choose the task, and give its world the rest of the context.

        Args:
            context: `"task"`, the index of a task; and knobs of the tasks' own worlds. What is left
                out stays as it is; the first task is 0.

        Returns:
            True when running episodes are over, so that a `reset` must follow.

        Raises:
            SettingsError: for a task that does not exist or differs between copies, or a knob of a
                world that cannot be changed; of a world to come, its `reset` raises it.
        """
        task = common_value("task", context.get("task", self._next_task))
        if task not in range(len(self.task_names)):
            raise SettingsError(
                f"there are tasks 0 to {len(self.task_names) - 1}, no task {task:g}"
            )
        self._next_task = int(task)
        rest = {knob: value for knob, value in context.items() if knob != "task"}
        self._context.update(rest)
        if not self._worlds_begun:
            return False
        if self._next_task != self._task:
            return True
        return self._pass_context(rest)

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode in every copy, in the next task's world where the task has changed."""
        if seed is not None:
            self._seed, self._worlds_begun = first_seed(seed), 0
        if self._seed is None:
            self._seed = random_seed()
        world_seed = None
        if not self._worlds_begun or self._next_task != self._task:
            self._change_world()
            world_seed = derive_seed(self._seed, self._worlds_begun)
            self._worlds_begun += 1
        observations, info = self._world.reset(seed=world_seed, options=options)
        return self._pad(observations), self._tell(info)

    def step(self, actions: np.ndarray) -> Outcome:
        """Step every copy of the current world."""
        actions = translate_actions(
            actions, self._action_spaces[self._task], self.single_action_space
        )
        observations, rewards, terminated, truncated, info = self._world.step(actions)
        if "final_obs" in info:
            for i in np.flatnonzero(info["_final_obs"]):
                info["final_obs"][i] = self._pad(info["final_obs"][i])
        return self._pad(observations), rewards, terminated, truncated, self._tell(info)

    def close_extras(self, **kwargs: Any) -> None:
        """Close every world that is open."""
        for world in self._open.values():
            world.close()
        self._open.clear()

    @property
    def _world(self) -> VectorEnv:
        return self._open[self._task]

    def _change_world(self) -> None:
        if self._next_task != self._task and not self._keep_open and self._task in self._open:
            self._open.pop(self._task).close()
        self._task = self._next_task
        if self._task not in self._open:
            self._open[self._task] = self._factories[self._task]()
        self._pass_context(self._context)

    def _pass_context(self, context: Mapping[str, Any]) -> bool:
        if not context:
            return False
        world = self._world.unwrapped
        if not isinstance(world, ContextSetter):
            knobs = ", ".join(repr(knob) for knob in context)
            raise SettingsError(
                f"the world of task {self.task_names[self._task]!r} cannot change {knobs}"
            )
        return world.set_context(context)

    def _pad(self, observations: np.ndarray) -> np.ndarray:
        return pad_observations(
            observations, self._observation_spaces[self._task], self._observations
        )

    def _tell(self, info: dict[str, Any]) -> dict[str, Any]:
        told = {**info, "task_name": np.full(self.num_envs, self.task_names[self._task], object)}
        if self._tell_mask:
            mask = real_entries(self._observation_spaces[self._task], self._observations)
            told["observation_mask"] = np.broadcast_to(mask, (self.num_envs, *mask.shape))
        return told


def _describe(factory: Callable[[], VectorEnv]) -> tuple[Any, Any, int]:
    """Open a world for a moment, and return its spaces and its number of copies."""
    world = factory()
    try:
        if world.metadata.get("autoreset_mode") != AutoresetMode.SAME_STEP:
            raise SettingsError("a task's world must have same-step autoreset: SameStepAutoreset")
        return world.single_observation_space, world.single_action_space, world.num_envs
    finally:
        world.close()
