"""Swimmer-v5: a chain of three links is paid for swimming to the right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from ..arithmetic import lengths, sum_of_squares
from ..frame import Frame
from ..task import Outcome, Task, start_with_uniform_speed


@final
@dataclass(frozen=True)
class Swimmer(Task):
    """The equations of `gymnasium/envs/mujoco/swimmer_v5.py`; the settings are documented there."""

    needs_contact_forces: ClassVar[bool] = False

    xml_file: str = "swimmer.xml"
    frame_skip: int = 4
    forward_reward_weight: float = 1.0
    ctrl_cost_weight: float = 1e-4
    reset_noise_scale: float = 0.1
    exclude_current_positions_from_observation: bool = True

    def quantities(self, model: Any, data: Any) -> dict[str, np.ndarray]:
        """Read the state."""
        return {"qpos": data.qpos, "qvel": data.qvel}

    def draw_start(
        self, generator: np.random.Generator, qpos: np.ndarray, qvel: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw a start around the model's initial state."""
        return start_with_uniform_speed(generator, self.reset_noise_scale, qpos, qvel)

    def observe(self, frame: Frame) -> np.ndarray:
        """Return positions and velocities."""
        skipped = 2 if self.exclude_current_positions_from_observation else 0
        return np.concatenate((frame["qpos"][:, skipped:], frame["qvel"]), axis=1)

    def locate(self, frame: Frame) -> np.ndarray:
        """Return where the tip is."""
        return frame["qpos"][:, :2].copy()

    def judge(self, frame: Frame, velocity: np.ndarray, actions: np.ndarray) -> Outcome:
        """Pay for speed, and charge for control."""
        forward = self.forward_reward_weight * velocity[:, 0]
        control_cost = self.ctrl_cost_weight * sum_of_squares(actions)
        info = {
            **self.tell_start(frame),
            "x_velocity": velocity[:, 0].copy(),
            "y_velocity": velocity[:, 1].copy(),
            "reward_forward": forward,
            "reward_ctrl": -control_cost,
        }
        return Outcome(forward - control_cost, np.zeros(len(frame), dtype=bool), info)

    def tell_start(self, frame: Frame) -> dict[str, np.ndarray]:
        """Tell where the copies are."""
        ground = frame["qpos"][:, :2].copy()
        return {
            "x_position": ground[:, 0],
            "y_position": ground[:, 1],
            "distance_from_origin": lengths(ground),
        }
