"""Hopper-v5: a one-legged flat body is paid for hopping to the right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from ..frame import Frame
from ..task import Outcome, Task, start_with_uniform_speed
from . import upright


@final
@dataclass(frozen=True)
class Hopper(Task):
    """The equations of `gymnasium/envs/mujoco/hopper_v5.py`; the settings are documented there."""

    needs_contact_forces: ClassVar[bool] = False

    xml_file: str = "hopper.xml"
    frame_skip: int = 4
    forward_reward_weight: float = 1.0
    ctrl_cost_weight: float = 1e-3
    healthy_reward: float = 1.0
    terminate_when_unhealthy: bool = True
    healthy_state_range: tuple[float, float] = (-100.0, 100.0)
    healthy_z_range: tuple[float, float] = (0.7, float("inf"))
    healthy_angle_range: tuple[float, float] = (-0.2, 0.2)
    reset_noise_scale: float = 5e-3
    exclude_current_positions_from_observation: bool = True

    def quantities(self, model: Any, data: Any) -> dict[str, np.ndarray]:
        """Read the state, and the height at which the body was built."""
        return upright.quantities(model, data)

    def draw_start(
        self, generator: np.random.Generator, qpos: np.ndarray, qvel: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw a start around the model's initial state."""
        return start_with_uniform_speed(generator, self.reset_noise_scale, qpos, qvel)

    def observe(self, frame: Frame) -> np.ndarray:
        """Return positions and clipped velocities."""
        return upright.observe(frame, self.exclude_current_positions_from_observation)

    def locate(self, frame: Frame) -> np.ndarray:
        """Return how far to the right the body is."""
        return frame["qpos"][:, :1].copy()

    def judge(self, frame: Frame, velocity: np.ndarray, actions: np.ndarray) -> Outcome:
        """Pay for speed and health, and charge for control."""
        qpos = frame["qpos"]
        state = np.concatenate((qpos[:, 2:], frame["qvel"]), axis=1)
        healthy = (
            upright.within(state, self.healthy_state_range).all(axis=1)
            & upright.within(qpos[:, 1], self.healthy_z_range)
            & upright.within(qpos[:, 2], self.healthy_angle_range)
        )
        weights = (self.forward_reward_weight, self.ctrl_cost_weight, self.healthy_reward)
        return upright.judge(
            frame, velocity, actions, healthy, weights, self.terminate_when_unhealthy
        )

    def tell_start(self, frame: Frame) -> dict[str, np.ndarray]:
        """Tell where the copies are."""
        return upright.tell_start(frame)
