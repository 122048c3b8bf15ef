"""All copies of a world: stepped together, read as one frame, saved and restored exactly."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, final

import mujoco
import numpy as np
from gymnasium.envs.mujoco.mujoco_env import expand_model_path
from gymnasium.envs.registration import EnvSpec

from .crew import Crew
from .frame import Frame
from .task import Task
from .world_copy import WorldCopy

_STATE = mujoco.mjtState.mjSTATE_INTEGRATION


@final
class Copies(Sequence[WorldCopy]):
    """The copies of a world, each with a model of its own.

    Args:
        task: what to step.
        spec: gymnasium's description of the world.
        number: number of copies, at least 1.
        n_threads: threads that step them, at least 1. It changes no result.

    Attributes:
        frame: what `task.quantities` were when they were last read.
    """

    def __init__(self, task: Task, spec: EnvSpec, number: int, n_threads: int) -> None:
        model = mujoco.MjModel.from_xml_path(expand_model_path(task.xml_file))
        models = [model, *(copy.copy(model) for _ in range(number - 1))]
        self._copies = tuple(WorldCopy(model, task, spec) for model in models)
        quantities = [task.quantities(one.model, one.data) for one in self._copies]
        self._views = [[view.reshape(-1) for view in one.values()] for one in quantities]
        self._all_views = [view for views in self._views for view in views]
        self.frame = Frame(*_lay_out(quantities))
        self._flat_frame = self.frame.values.reshape(-1)
        self._controls = [one.data.ctrl for one in self._copies]
        self._crew = Crew([_step_job(one, task) for one in self._copies], n_threads)
        weakref.finalize(self, self._crew.dismiss)
        self.read()

    def __getitem__(self, index: Any) -> Any:
        """Return one copy, or some."""
        return self._copies[index]

    def __len__(self) -> int:
        """Return the number of copies."""
        return len(self._copies)

    def step(self, actions: np.ndarray) -> None:
        """Take one environment step in every copy, and read the frame.

        Args:
            actions: shape (copies, actuators).
        """
        # Not in the jobs, which should hold the interpreter's lock for as short as can be.
        for control, action in zip(self._controls, actions, strict=True):
            control[:] = action
        self._crew.run()
        self.read()

    def read(self) -> None:
        """Read every copy's quantities into the frame."""
        np.concatenate(self._all_views, out=self._flat_frame)

    def read_copy(self, index: int) -> None:
        """Read one copy's quantities into its row of the frame."""
        np.concatenate(self._views[index], out=self.frame.values[index])

    def get_physics(self) -> np.ndarray:
        """Return what decides the next step in MuJoCo, a row a copy."""
        size = mujoco.mj_stateSize(self._copies[0].model, _STATE)
        rows = np.empty((len(self), size))
        for row, one in zip(rows, self._copies, strict=True):
            mujoco.mj_getState(one.model, one.data, row, _STATE)
        return rows

    def set_physics(self, rows: np.ndarray, frame_values: np.ndarray) -> None:
        """Put the simulator, and what is read from it, back.

        Args:
            rows: what `get_physics` returned.
            frame_values: the frame's values at that time. They are not a function of the rows:
                after a step MuJoCo holds the places of bodies at the step's last evaluation, not
                those of the positions it ended with.
        """
        self.frame.values[:] = frame_values
        for index, one in enumerate(self._copies):
            mujoco.mj_setState(one.model, one.data, rows[index], _STATE)
            start = 0
            for view in self._views[index]:
                view[:] = self.frame.values[index, start : start + view.size]
                start += view.size

    def close(self) -> None:
        """Stop the threads."""
        self._crew.close()


def _lay_out(quantities: list[dict[str, np.ndarray]]) -> tuple[np.ndarray, dict[str, slice]]:
    """Find each quantity's place in a row, and make room for a row a copy."""
    layout = {}
    width = 0
    for name, view in quantities[0].items():
        layout[name] = slice(width, width + view.size)
        width += view.size
    return np.empty((len(quantities), width)), layout


def _step_job(one: WorldCopy, task: Task) -> Callable[[], object]:
    """Return what steps one copy; it does not refer to all of them."""
    model, data = one.model, one.data
    step = partial(mujoco.mj_step, model, data, task.frame_skip)
    if not task.needs_contact_forces:
        return step

    def step_and_find_contact_forces() -> None:
        step()
        mujoco.mj_rnePostConstraint(model, data)

    return step_and_find_contact_forces
