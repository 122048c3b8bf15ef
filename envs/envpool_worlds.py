"""EnvPool's worlds as a gymnasium vector environment whose physics can be changed by rebuilding."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, final

import envpool
import numpy as np
from envpool.registration import registry
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from ..wrappers.errors import SettingsError, unknown
from ..wrappers.knobs import Landing
from . import metaworld
from .autoreset import Outcome, clean_pool_info, place_rows, restart_ended
from .fresh_pools import FreshPools
from .pool_model_file import PoolModelFile
from .pool_spaces import FlatObservations, pool_spaces
from .vector_arguments import derive_seed, first_seed, random_seed

_OURS = {
    "num_envs",
    "batch_size",
    "num_threads",
    "max_num_players",
    "thread_affinity_offset",
    "base_path",
    "seed",
    "env_seed",
    "gym_reset_return_info",
}
"""EnvPool's settings that are none of a world's."""

_BLIND_TO_THE_LIMIT = {
    "envpool.box2d",
    "envpool.classic_control",
    "envpool.mujoco.dmc",
    "envpool.mujoco.gym",
    "envpool.toy_text",
}
"""Families whose worlds behave the same whatever their time limit is."""

_UNSAFE = {"envpool.minigrid": {"agent_view_size", "mission_bytes"}}
"""Settings that a family announces but ignores, writing past the end of its observations."""


@final
class EnvPoolWorlds(VectorEnv):
    """Copies of one world, stepped by envpool's native threads.

    EnvPool resets an ended episode one step late, and ignores that step's action. Here the ended
    copies are reset at once instead: no action is ever ignored, and autoreset is same-step.

    EnvPool calls an episode that fails at the very step of its time limit truncated only. In the
    families box2d, classic control, dm_control, gymnasium's MuJoCo and toy text it is terminated
    here as well, as in gymnasium.

    Observations are flat: `FlatObservations` says what becomes of dictionaries.

    Meta-World's episodes last 200 steps, and their goal is in the observation. At each step `info`
    holds `success`; for each copy that has ended, also `success_any` and `success_final`, in
    `final_info` and beside it. An episode that a change has cut tells neither. Copies of a world
    whose goal would drift get a new pool for each episode.

    A running pool's physics cannot be reached. `set_context` therefore writes a model file, and the
    next `reset` builds a new pool from it, seeded by the seed and the number of pools before it.

    Args:
        world: envpool's id, such as "Ant-v5", "SpaceInvaders-v5" or "MetaWorld/Push-v3".
        num_envs: number of copies, at least 1.
        knobs: names of the MuJoCo knobs that will be set.
        num_threads: native threads; 0 leaves the choice to envpool.
        **settings: envpool's settings of the world, such as `max_episode_steps`. EnvPool ends
            the process at some that make no world, such as an even size of a MiniGrid crossing.

    Raises:
        SettingsError: for an id or a setting that envpool lacks or cannot be trusted with, or a
            knob that cannot be set by a model file.

    Example:
        >>> worlds = EnvPoolWorlds("MiniGrid-DoorKey-5x5-v0", num_envs=2, max_episode_steps=50)
        >>> observations, _ = worlds.reset(seed=0)
        >>> observations.shape
        (2, 151)
        >>> worlds.close()
    """

    landing = Landing.REBUILD
    """A change of physics needs a new pool."""

    def __init__(
        self,
        world: str,
        num_envs: int,
        knobs: Sequence[str] = (),
        num_threads: int = 0,
        **settings: Any,
    ) -> None:
        if world not in envpool.list_all_envs():
            raise unknown("envpool world", world, envpool.list_all_envs())
        self._world = world
        self._settings = _check_settings(world, settings)
        spec = envpool.make_spec(world, **self._settings)
        self._limit: int | None = None
        if registry.specs[world][0] in _BLIND_TO_THE_LIMIT:
            # The pool's own limit comes one step later, so that it tells the truth at this one.
            self._limit = spec.config.max_episode_steps
            self._settings["max_episode_steps"] = self._limit + 1
        self._settings["num_threads"] = num_threads
        observation_space, self.single_action_space = pool_spaces(spec)
        self._flatten = FlatObservations(observation_space)
        self.single_observation_space = self._flatten.space
        self.num_envs = num_envs
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self._model_file = PoolModelFile(spec, knobs) if knobs else None
        self._successes: metaworld.Successes | None = None
        if metaworld.is_metaworld(world):
            self._successes = metaworld.Successes(num_envs)
        self._observations: np.ndarray
        self._pool: Any = None
        self._stale = True
        self._seed: int | None = None
        self._pools_built = 0

    def set_context(self, context: Mapping[str, Any]) -> bool:
        """Give every copy this context from the next `reset` on.

        Args:
            context: knobs' values, the same for all copies; those left out stay as they are.

        Returns:
            True when a pool is running, whose episodes are over now.
        """
        if self._model_file is not None:
            self._model_file.write(context)
            self._stale = True
        return self._pool is not None and self._stale

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode in every copy; a seed or a new context builds a new pool.

        Args:
            seed: decides everything that follows.
            options: gymnasium's `reset_mask` resets some copies only.
        """
        mask = np.ones(self.num_envs, dtype=bool)
        if seed is not None:
            self._seed, self._pools_built = first_seed(seed), 0
        if seed is not None or self._stale:
            self._build()
        elif options is not None and "reset_mask" in options:
            mask = np.asarray(options["reset_mask"], dtype=bool)
            # The caller holds the last ones.
            self._observations = self._observations.copy()
        if self._successes is not None:
            self._successes.forget(mask)
        return self._restart(mask)

    def step(self, actions: np.ndarray) -> Outcome:
        """Step every copy, and begin a new episode where one has ended."""
        raw, rewards, terminated, truncated, info = self._pool.step(actions)
        if self._limit is not None:
            truncated = truncated | (info["elapsed_step"] >= self._limit)
        self._observations, info = self._flatten(raw), self._clean(info)
        summary: dict[str, Any] = {}
        if self._successes is not None:
            summary = self._successes.tell(info["success"], terminated | truncated)
        outcome = (
            self._observations,
            rewards.astype(np.float64),
            terminated,
            truncated,
            {**info, **summary},
        )
        outcome = restart_ended(outcome, self.observation_space, self._restart)
        # Beside `final_info` too, where gymnasium's own episode statistics are.
        outcome[4].update(summary)
        return outcome

    def close_extras(self, **kwargs: Any) -> None:
        """Stop the pool's threads and delete the model file."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
        if self._model_file is not None:
            self._model_file.close()

    def _restart(self, mask: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode in some copies; return all copies' observations."""
        rows, info = self._pool.reset(np.flatnonzero(mask).astype(np.int32))
        rows, info = self._flatten(rows), self._clean(info)
        if mask.all():
            self._observations = rows
            return rows, info
        return place_rows(rows, info, mask, self._observations)

    def _clean(self, info: dict[str, Any]) -> dict[str, Any]:
        info = clean_pool_info(info)
        if self._successes is not None:
            info["success"] = info["success"] > 0
        return info

    def _build(self) -> None:
        if self._pool is not None:
            self._pool.close()
        if self._seed is None:
            self._seed = random_seed()
        seed = derive_seed(self._seed, self._pools_built)
        if self._world in metaworld.DRIFTING:
            self._pool = FreshPools(partial(self._make_pool, 1), self.num_envs, seed)
        else:
            self._pool = self._make_pool(self.num_envs, seed)
        self._pools_built += 1
        self._stale = False

    def _make_pool(self, num_envs: int, seed: int) -> Any:
        files = {} if self._model_file is None else {"xml_file": self._model_file.relative_path}
        pool = envpool.make_gymnasium(
            self._world, num_envs=num_envs, seed=seed, **{**self._settings, **files}
        )
        with warnings.catch_warnings():
            # The pool makes its spaces when they are first looked at; gymnasium warns of rounding.
            warnings.simplefilter("ignore")
            _ = pool.observation_space
        return pool


def _check_settings(world: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a world as envpool takes them, ours where none is given."""
    config = envpool.make_spec(world).config
    allowed = set(config._fields) - _OURS - _UNSAFE.get(registry.specs[world][0], set())
    checked = dict(metaworld.DEFAULTS) if metaworld.is_metaworld(world) else {}
    for name, value in settings.items():
        if name not in allowed:
            raise unknown(f"setting of {world}", name, allowed)
        kind = type(getattr(config, name))
        # JSON knows neither tuples nor the difference between 1 and 1.0.
        if (kind is tuple and isinstance(value, list)) or (kind is float and type(value) is int):
            value = kind(value)
        if type(value) is not kind:
            raise SettingsError(
                f"{name!r} of {world} must be of type {kind.__name__}, not {value!r}"
            )
        checked[name] = value
    return checked
