"""What a task is: what it observes, pays for, and ends by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .frame import Frame


class Outcome(NamedTuple):
    """What a step has led to, an entry a copy.

    Attributes:
        rewards: shape (copies,), float64.
        terminated: shape (copies,), bool.
        info: arrays whose first axis is the copies.
    """

    rewards: np.ndarray
    terminated: np.ndarray
    info: dict[str, np.ndarray]


class Task(ABC):
    """One of gymnasium's MuJoCo tasks, computed for all copies of a world at once.

    A task is a frozen dataclass of the settings that gymnasium's world takes, with the same
    defaults. It holds no state. Every array that it returns is new.
    """

    xml_file: str
    """The model: a file of gymnasium's assets, or a path that begins with ".", "/" or "~"."""
    frame_skip: int
    """Simulator steps in one environment step."""
    needs_contact_forces: ClassVar[bool]
    """Whether `cfrc_ext` is read, which the simulator does not compute by itself."""

    @abstractmethod
    def quantities(self, model: Any, data: Any) -> dict[str, np.ndarray]:
        """Name what the task reads from the simulator.

        Args:
            model: one copy's `mujoco.MjModel`.
            data: its `mujoco.MjData`.

        Returns:
            Views into the simulator's memory, which make the rows of every `Frame`.
        """

    @abstractmethod
    def draw_start(
        self, generator: np.random.Generator, qpos: np.ndarray, qvel: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw where one copy's episode begins.

        Args:
            generator: the copy's own.
            qpos: the model's initial positions, shape (nq,).
            qvel: the model's initial velocities, shape (nv,).

        Returns:
            The episode's first positions and velocities.
        """

    @abstractmethod
    def observe(self, frame: Frame) -> np.ndarray:
        """Return the observations, shape (copies, size), float64."""

    @abstractmethod
    def locate(self, frame: Frame) -> np.ndarray:
        """Return the positions whose speed matters, shape (copies, 0, 1 or 2), in metres."""

    @abstractmethod
    def judge(self, frame: Frame, velocity: np.ndarray, actions: np.ndarray) -> Outcome:
        """Say what a step has led to.

        Args:
            frame: the moment after the step.
            velocity: how fast `locate` moved during the step, in metres a second.
            actions: shape (copies, actuators), in the type that the learner gave.
        """

    @abstractmethod
    def tell_start(self, frame: Frame) -> dict[str, np.ndarray]:
        """Return the `info` of a reset, arrays whose first axis is the copies of the frame."""


def start_with_normal_speed(
    generator: np.random.Generator, scale: float, qpos: np.ndarray, qvel: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a start with uniform noise on positions and normal noise on velocities.

    Args:
        generator: the copy's own.
        scale: half the width of the one, and the standard deviation of the other.
        qpos: the model's initial positions, shape (nq,).
        qvel: the model's initial velocities, shape (nv,).

    Returns:
        Positions and velocities.
    """
    positions = qpos + generator.uniform(-scale, scale, size=qpos.size)
    return positions, qvel + scale * generator.standard_normal(qvel.size)


def start_with_uniform_speed(
    generator: np.random.Generator, scale: float, qpos: np.ndarray, qvel: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a start with uniform noise on positions and velocities.

    Args:
        generator: the copy's own.
        scale: half the noise's width.
        qpos: the model's initial positions, shape (nq,).
        qvel: the model's initial velocities, shape (nv,).

    Returns:
        Positions and velocities.
    """
    positions = qpos + generator.uniform(-scale, scale, size=qpos.size)
    return positions, qvel + generator.uniform(-scale, scale, size=qvel.size)
