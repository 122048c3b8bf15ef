"""EnvPool's worlds as a gymnasium vector environment whose physics can be changed by rebuilding."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import envpool
import mujoco
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from ..wrappers.errors import SettingsError, unknown
from ..wrappers.knobs import find_knob
from .mujoco_knobs import MujocoKnob
from .mujoco_model_file import write_model_file


class EnvPoolWorlds(VectorEnv):
    """Copies of one world, stepped by envpool's native threads.

    EnvPool resets an ended episode one step late, and ignores that step's action. Here the ended
    copies are reset at once instead: no action is ever ignored, autoreset is same-step, and
    `info["final_obs"]` holds the last observations.

    A running pool's physics cannot be reached. `set_context` therefore writes a model file, and the
    next `reset` builds a new pool from it, seeded by the seed and the number of pools before it.

    Args:
        world: an id that gymnasium and envpool share, such as "Ant-v5".
        num_envs: number of copies, at least 1.
        knobs: names of the MuJoCo knobs that will be set.
        num_threads: native threads; 0 leaves the choice to envpool.

    Raises:
        SettingsError: for an id that envpool lacks, or a knob that cannot be set by a model file.

    Example:
        >>> worlds = EnvPoolWorlds("Ant-v5", num_envs=2)
        >>> observations, _ = worlds.reset(seed=0)
        >>> observations.shape
        (2, 105)
        >>> worlds.close()
    """

    def __init__(
        self, world: str, num_envs: int, knobs: Sequence[str] = (), num_threads: int = 0
    ) -> None:
        if world not in envpool.list_all_envs():
            raise unknown("envpool world", world, envpool.list_all_envs())
        self._world = world
        self._threads = num_threads
        self._knobs = [_file_knob(name) for name in knobs]
        spec = envpool.make_spec(world)
        self.single_observation_space = spec.gymnasium_observation_space
        self.single_action_space = spec.gymnasium_action_space
        self.num_envs = num_envs
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self._model_file = _ModelFile(spec, self._knobs) if self._knobs else None
        self._pool: Any = None
        self._stale = True
        self._seed: int | None = None
        self._pools_built = 0

    def set_context(self, context: Mapping[str, float]) -> bool:
        """Give every copy this context from the next `reset` on.

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
        """Begin an episode in every copy; a seed or a new context builds a new pool."""
        if seed is not None:
            first = seed if isinstance(seed, int) else seed[0]
            self._seed, self._pools_built = first, 0
        if seed is not None or self._stale:
            self._build()
        observations, info = self._pool.reset()
        return observations, _clean(info)

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Step every copy, and begin a new episode where one has ended."""
        observations, rewards, terminated, truncated, info = self._pool.step(actions)
        info = _clean(info)
        # A pole that falls at the time limit has fallen: termination outranks truncation.
        truncated = truncated & ~terminated
        ended = np.flatnonzero(terminated | truncated)
        if ended.size:
            final = np.full(self.num_envs, None, dtype=object)
            for i in ended:
                final[i] = observations[i].copy()
            fresh, _ = self._pool.reset(ended.astype(np.int32))
            observations[ended] = fresh
            info["final_obs"] = final
            info["_final_obs"] = terminated | truncated
        return observations, rewards.astype(np.float64), terminated, truncated, info

    def close_extras(self, **kwargs: Any) -> None:
        """Stop the pool's threads and delete the model file."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
        if self._model_file is not None:
            self._model_file.close()

    def _build(self) -> None:
        if self._pool is not None:
            self._pool.close()
        if self._seed is None:
            self._seed = int(np.random.SeedSequence().generate_state(1)[0])
        entropy = np.random.SeedSequence([self._seed, self._pools_built])
        pool_seed = int(entropy.generate_state(1)[0] % 2**31)
        files = {} if self._model_file is None else {"xml_file": self._model_file.relative_path}
        self._pool = envpool.make_gymnasium(
            self._world,
            num_envs=self.num_envs,
            num_threads=self._threads,
            seed=pool_seed,
            **files,
        )
        self._pools_built += 1
        self._stale = False


class _ModelFile:
    """The model file of a world, rewritten for each context."""

    def __init__(self, spec: Any, knobs: Sequence[MujocoKnob]) -> None:
        self._assets = Path(spec.config.base_path, "mujoco", "assets_gym")
        self._source = self._assets / spec.config.xml_file
        self._knobs = knobs
        folder = tempfile.mkdtemp(prefix="everlearn-")
        self._target = Path(folder, self._source.name)
        # Worlds are often dropped without `close`; the folder must not outlive them.
        self.close = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    @property
    def relative_path(self) -> str:
        """The file as envpool takes it: relative to its folder of assets."""
        return os.path.relpath(self._target, self._assets)

    def write(self, context: Mapping[str, float]) -> None:
        model = mujoco.MjModel.from_xml_path(str(self._source))
        for knob in self._knobs:
            knob.apply(model, context[knob.name], knob.copy_fields(model))
        fields = [field for knob in self._knobs for field in knob.fields]
        write_model_file(self._source, model, fields, self._target)


def _file_knob(name: str) -> MujocoKnob:
    knob = find_knob(name)
    if not isinstance(knob, MujocoKnob):
        raise SettingsError(f"envpool cannot change {name!r}; the gymnasium back end can")
    return knob


def _clean(info: dict[str, Any]) -> dict[str, Any]:
    """Drop envpool's book-keeping; keep what the world says."""
    return {key: value for key, value in info.items() if key not in ("env_id", "players")}
