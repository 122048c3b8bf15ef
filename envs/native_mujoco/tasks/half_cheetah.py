"""HalfCheetah-v5: a flat two-legged body is paid for running to the right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from ..arithmetic import sum_of_squares
from ..frame import Frame
from ..task import Outcome, Task, start_with_normal_speed


@final
@dataclass(frozen=True)
class HalfCheetah(Task):
    """The equations of `gymnasium/envs/mujoco/half_cheetah_v5.py`, where the settings are told."""

    needs_contact_forces: ClassVar[bool] = False

    xml_file: str = "half_cheetah.xml"
    frame_skip: int = 5
    forward_reward_weight: float = 1.0
    ctrl_cost_weight: float = 0.1
    reset_noise_scale: float = 0.1
    exclude_current_positions_from_observation: bool = True

    def quantities(self, model: Any, data: Any) -> dict[str, np.ndarray]:
        """Read the state."""
        return {"qpos": data.qpos, "qvel": data.qvel}

    def draw_start(
        self, generator: np.random.Generator, qpos: np.ndarray, qvel: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw a start around the model's initial state."""
        return start_with_normal_speed(generator, self.reset_noise_scale, qpos, qvel)

    def observe(self, frame: Frame) -> np.ndarray:
        """Return positions and velocities."""
        skipped = 1 if self.exclude_current_positions_from_observation else 0
        return np.concatenate((frame["qpos"][:, skipped:], frame["qvel"]), axis=1)

    def locate(self, frame: Frame) -> np.ndarray:
        """Return how far to the right the body is."""
        return frame["qpos"][:, :1].copy()

    def judge(self, frame: Frame, velocity: np.ndarray, actions: np.ndarray) -> Outcome:
        """Pay for speed, and charge for control."""
        forward = self.forward_reward_weight * velocity[:, 0]
        control_cost = self.ctrl_cost_weight * sum_of_squares(actions)
        info = {
            **self.tell_start(frame),
            "x_velocity": velocity[:, 0].copy(),
            "reward_forward": forward,
            "reward_ctrl": -control_cost,
        }
        return Outcome(forward - control_cost, np.zeros(len(frame), dtype=bool), info)

    def tell_start(self, frame: Frame) -> dict[str, np.ndarray]:
        """Tell where the copies are."""
        return {"x_position": frame["qpos"][:, 0].copy()}
