"""One copy of a world: a model and its data, which knobs take for an unwrapped world."""

from __future__ import annotations

from typing import Any, final

import gymnasium
import mujoco
import numpy as np
from gymnasium.envs.registration import EnvSpec

from .task import Task


@final
class WorldCopy(gymnasium.Env[np.ndarray, np.ndarray]):
    """One copy of a native world, as far as knobs need it.

    It has the `model`, `data`, `spec`, `frame_skip`, `dt` and `np_random` of gymnasium's unwrapped
    world, so that a knob written for that one works here unchanged. It is stepped with all the
    others, by `NativeMujocoWorlds`, and cannot be stepped alone.

    Args:
        model: the copy's own `mujoco.MjModel`.
        task: says how episodes begin.
        spec: gymnasium's description of the world.
    """

    def __init__(self, model: Any, task: Task, spec: EnvSpec) -> None:
        self.model = model
        self.data = mujoco.MjData(model)
        self.spec = spec
        self.frame_skip = task.frame_skip
        self.init_qpos = self.data.qpos.copy()
        self.init_qvel = self.data.qvel.copy()
        self._task = task

    @property
    def dt(self) -> float:
        """Simulated time of one environment step, in seconds."""
        return self.model.opt.timestep * self.frame_skip

    def begin(self, seed: int | None) -> None:
        """Begin an episode.

        Args:
            seed: seeds the copy's generator. None: it goes on.
        """
        super().reset(seed=seed)
        mujoco.mj_resetData(self.model, self.data)
        qpos, qvel = self._task.draw_start(self.np_random, self.init_qpos, self.init_qvel)
        self.data.qpos[:] = qpos
        self.data.qvel[:] = qvel
        mujoco.mj_forward(self.model, self.data)

    def generator_state(self) -> dict[str, Any] | None:
        """Return the state of the copy's generator, or None where nothing was drawn yet."""
        return None if self._np_random is None else dict(self.np_random.bit_generator.state)

    def set_generator_state(self, state: dict[str, Any] | None) -> None:
        """Put the generator back to what `generator_state` returned."""
        if state is None:
            self._np_random = None
        else:
            self.np_random = np.random.Generator(np.random.PCG64(0))
            self.np_random.bit_generator.state = state
