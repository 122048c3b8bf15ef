"""gymnasium's MuJoCo worlds as a vector environment of our own, stepped by several threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, final

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from ...wrappers.errors import SettingsError
from .arguments import check_counts, count_cores, reset_mask, seeds_of_copies
from .context import CopiesContext, Value
from .copies import Copies
from .registry import make_task
from .same_step import add_masks, spread, tell_endings
from .world_copy import WorldCopy


@final
class NativeMujocoWorlds(VectorEnv):
    """Copies of one of gymnasium's MuJoCo worlds, bit for bit, stepped by several threads.

    It does what `SyncVectorEnv` of gymnasium's worlds with same-step autoreset does, with the same
    seeds, observations, rewards and `info`, and three things more: threads step the copies while
    the interpreter's lock is released; `set_context` turns the knobs of every copy in place, at
    any step; `get_state` and `set_state` save and restore it exactly.

    Args:
        world: gymnasium's id, such as "Ant-v5".
        num_envs: number of copies, at least 1.
        n_threads: threads, the calling one included, at least 1; it changes no result. None: as
            many as there are cores for this process, and no more than copies.
        max_episode_steps: steps after which an episode is truncated. None: the world's own limit;
            -1: never.
        knobs: names of knobs that will be turned, to have wrong ones refused here; others can be
            turned too.
        render_mode: None; nothing is drawn.
        **settings: what gymnasium's world of that id takes, except for what concerns drawing.

    Raises:
        SettingsError: for an unknown world, setting or knob, or a value out of range.

    Example:
        >>> worlds = NativeMujocoWorlds("HalfCheetah-v5", num_envs=2)
        >>> observations, info = worlds.reset(seed=0)
        >>> observations.shape, info["x_position"].shape
        ((2, 17), (2,))
        >>> worlds.set_context({"friction": [0.4, 0.1]})
        False
        >>> worlds.read_context()
        {'friction': array([0.4, 0.1])}
        >>> worlds.close()
    """

    def __init__(
        self,
        world: str,
        num_envs: int = 1,
        n_threads: int | None = None,
        max_episode_steps: int | None = None,
        knobs: Sequence[str] = (),
        render_mode: None = None,
        **settings: Any,
    ) -> None:
        check_counts(num_envs, n_threads, max_episode_steps)
        if render_mode is not None:
            raise SettingsError("native MuJoCo worlds draw nothing: render_mode must be None")
        self._world = world
        self._task = make_task(world, settings)
        self.spec = deepcopy(gymnasium.spec(world))
        self.spec.kwargs |= settings
        if max_episode_steps is not None:
            self.spec.max_episode_steps = max_episode_steps if max_episode_steps > 0 else None
        self.num_envs = num_envs
        self._copies = Copies(self._task, self.spec, num_envs, n_threads or count_cores())
        self._context = CopiesContext(self._copies, knobs)
        self._limit = self.spec.max_episode_steps or np.iinfo(np.int64).max
        self._elapsed = np.zeros(num_envs, dtype=np.int64)
        self._has_begun = False
        self._location: np.ndarray
        self._every_copy = np.ones(num_envs, dtype=bool)
        self._every_copy.flags.writeable = False
        self._note_physics()
        self._make_spaces()

    @property
    def copies(self) -> Sequence[WorldCopy]:
        """The copies, each of which looks to a knob like gymnasium's unwrapped world."""
        return self._copies

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode in every copy, or in those of a mask.

        Args:
            seed: copy `i` gets `seed + i`, or the entry `i` of a sequence. None: generators go on.
            options: under "reset_mask" a bool array of shape (copies,); others are ignored.

        Returns:
            The observations of all copies, and `info` of those that began.
        """
        seeds = seeds_of_copies(seed, self.num_envs)
        mask = reset_mask(options, self.num_envs)
        if not (self._has_begun or mask.all()):
            raise ResetNeeded("the first reset must be of all copies")
        for index in np.flatnonzero(mask).tolist():
            self._begin(index, seeds[index])
        self._elapsed[mask] = 0
        self._has_begun = True
        self._note_physics()
        info = spread(self._task.tell_start(self._copies.frame.rows(mask)), mask)
        return self._task.observe(self._copies.frame), info

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Step every copy, and begin a new episode where one has ended."""
        if not self._has_begun:
            raise ResetNeeded("cannot call step before reset")
        actions = np.ascontiguousarray(actions)
        if actions.shape != (shape := self.action_space.shape):
            raise ValueError(f"actions must have the shape {shape}, not {actions.shape}")
        self._copies.step(actions)
        frame = self._copies.frame
        location = self._task.locate(frame)
        velocity = (location - self._location) / self._seconds
        self._location = location
        rewards, terminated, info = self._task.judge(frame, velocity, actions)
        observations = self._task.observe(frame)
        self._elapsed += 1
        truncated = self._elapsed >= self._limit
        ended = terminated | truncated
        if ended.any():
            return self._begin_again(observations, rewards, terminated, truncated, info)
        return observations, rewards, terminated, truncated, add_masks(info, self._every_copy)

    def set_context(self, context: Mapping[str, Value]) -> bool:
        """Turn the knobs of every copy, in place.

        Args:
            context: each knob's value, or one for each copy: shape (copies,). Knobs that it leaves
                out stay as they are.

        Returns:
            False: the episodes in progress go on.

        Raises:
            SettingsError: for an unknown knob, one that the world lacks, or a value out of range.
        """
        self._context.write(context)
        self._copies.read()
        self._note_physics()
        return False

    def restore_context(self) -> None:
        """Put every knob back to where it was found, bit for bit."""
        self._context.restore()
        self._copies.read()
        self._note_physics()

    def read_context(self) -> dict[str, np.ndarray]:
        """Read the knobs that were turned back from the simulator, a value a copy."""
        return self._context.read()

    def get_state(self) -> dict[str, Any]:
        """Return all that decides what comes next, for worlds made with the same settings."""
        return {
            "world": self._world,
            "physics": self._copies.get_physics(),
            "frame": self._copies.frame.values.copy(),
            "elapsed_steps": self._elapsed.copy(),
            "has_begun": self._has_begun,
            "context": self._context.values(),
            "generators": [one.generator_state() for one in self._copies],
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go back to a state, exactly.

        Args:
            state: what `get_state` returned.

        Raises:
            SettingsError: if it is the state of other worlds, or of another number of copies.
        """
        shape = self._copies.frame.values.shape
        if state["world"] != self._world or state["frame"].shape != shape:
            raise SettingsError(
                f"this is a state of {len(state['frame'])} copies of {state['world']!r}, with "
                f"other settings or of another world than these {self.num_envs} copies"
            )
        self._context.restore()
        self._context.write(state["context"])
        self._copies.set_physics(state["physics"], state["frame"])
        self._elapsed[:] = state["elapsed_steps"]
        self._has_begun = bool(state["has_begun"])
        for one, generator in zip(self._copies, state["generators"], strict=True):
            one.set_generator_state(generator)
        self._note_physics()

    def close_extras(self, **kwargs: Any) -> None:
        """Stop the threads."""
        if hasattr(self, "_copies"):
            self._copies.close()

    def _begin_again(
        self,
        observations: np.ndarray,
        rewards: np.ndarray,
        terminated: np.ndarray,
        truncated: np.ndarray,
        info: dict[str, np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Begin new episodes where some have ended."""
        ended = terminated | truncated
        for index in np.flatnonzero(ended).tolist():
            self._begin(index, None)
        self._elapsed[ended] = 0
        fresh = self._copies.frame.rows(ended)
        told = tell_endings(info, self._task.tell_start(fresh), ended, observations)
        observations[ended] = self._task.observe(fresh)
        self._location[ended] = self._task.locate(fresh)
        return observations, rewards, terminated, truncated, told

    def _begin(self, index: int, seed: int | None) -> None:
        self._copies[index].begin(seed)
        self._copies.read_copy(index)

    def _note_physics(self) -> None:
        """Note what the next step's speed is computed from, which knobs and resets may move."""
        self._seconds = np.array([[one.dt] for one in self._copies])
        self._location = self._task.locate(self._copies.frame)

    def _make_spaces(self) -> None:
        low, high = self._copies[0].model.actuator_ctrlrange.astype(np.float32).T
        self.single_action_space = Box(low, high, dtype=np.float32)
        size = self._task.observe(self._copies.frame).shape[1]
        self.single_observation_space = Box(-np.inf, np.inf, (size,), dtype=np.float64)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}
