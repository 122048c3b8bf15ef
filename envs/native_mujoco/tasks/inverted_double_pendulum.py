"""InvertedDoublePendulum-v5: a cart is paid for keeping a pole on a pole upright."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from ..arithmetic import scalar_squares
from ..frame import Frame
from ..task import Outcome, Task, start_with_normal_speed


@final
@dataclass(frozen=True)
class InvertedDoublePendulum(Task):
    """The equations of `gymnasium/envs/mujoco/inverted_double_pendulum_v5.py`."""

    needs_contact_forces: ClassVar[bool] = False

    xml_file: str = "inverted_double_pendulum.xml"
    frame_skip: int = 5
    healthy_reward: float = 10.0
    reset_noise_scale: float = 0.1

    def quantities(self, model: Any, data: Any) -> dict[str, np.ndarray]:
        """Read the state, where the upper pole's tip is, and the force on the cart."""
        return {
            "qpos": data.qpos,
            "qvel": data.qvel,
            "tip": data.site_xpos[0],
            "cart_force": data.qfrc_constraint[:1],
        }

    def draw_start(
        self, generator: np.random.Generator, qpos: np.ndarray, qvel: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw a start around the model's initial state."""
        return start_with_normal_speed(generator, self.reset_noise_scale, qpos, qvel)

    def observe(self, frame: Frame) -> np.ndarray:
        """Return the cart's place, sines and cosines of angles, clipped speeds and force."""
        angles = frame["qpos"][:, 1:].copy()
        clipped = (frame["qvel"].clip(-10, 10), frame["cart_force"].clip(-10, 10))
        parts = (frame["qpos"][:, :1], np.sin(angles), np.cos(angles), *clipped)
        return np.concatenate(parts, axis=1)

    def locate(self, frame: Frame) -> np.ndarray:
        """Return no position: no speed is paid for."""
        return np.empty((len(frame), 0))

    def judge(self, frame: Frame, velocity: np.ndarray, actions: np.ndarray) -> Outcome:
        """Pay for standing; charge for the tip's distance and for turning."""
        x, height = frame["tip"][:, 0], frame["tip"][:, 2]
        fallen = height <= 1
        qvel = frame["qvel"]
        distance = 0.01 * scalar_squares(x) + scalar_squares(height - 2)
        turning = 0.001 * scalar_squares(qvel[:, 1]) + 0.005 * scalar_squares(qvel[:, 2])
        survive = self.healthy_reward * (~fallen).astype(np.int64)
        info = {
            "reward_survive": survive,
            "distance_penalty": -distance,
            "velocity_penalty": -turning,
        }
        return Outcome(survive - distance - turning, fallen, info)

    def tell_start(self, frame: Frame) -> dict[str, np.ndarray]:
        """Tell nothing, as gymnasium's world does."""
        return {}
