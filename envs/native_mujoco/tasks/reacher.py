"""Reacher-v5: an arm of two links is paid for bringing its tip to a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from ..arithmetic import lengths, sum_of_squares
from ..frame import Frame
from ..task import Outcome, Task


@final
@dataclass(frozen=True)
class Reacher(Task):
    """The equations of `gymnasium/envs/mujoco/reacher_v5.py`; the settings are documented there."""

    needs_contact_forces: ClassVar[bool] = False

    xml_file: str = "reacher.xml"
    frame_skip: int = 2
    reward_dist_weight: float = 1.0
    reward_control_weight: float = 1.0

    def quantities(self, model: Any, data: Any) -> dict[str, np.ndarray]:
        """Read the state, and where the tip and the target are."""
        return {
            "qpos": data.qpos,
            "qvel": data.qvel,
            "fingertip": data.body("fingertip").xpos,
            "target": data.body("target").xpos,
        }

    def draw_start(
        self, generator: np.random.Generator, qpos: np.ndarray, qvel: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw a start of the arm, and a target within its reach."""
        positions = generator.uniform(-0.1, 0.1, size=qpos.size) + qpos
        while np.linalg.norm(target := generator.uniform(-0.2, 0.2, size=2)) >= 0.2:
            pass
        positions[-2:] = target
        velocities = qvel + generator.uniform(-0.005, 0.005, size=qvel.size)
        velocities[-2:] = 0
        return positions, velocities

    def observe(self, frame: Frame) -> np.ndarray:
        """Return the angles' cosines and sines, the target, speeds, and what is left to go."""
        qpos = frame["qpos"]
        angles = qpos[:, :2].copy()
        rest = (frame["fingertip"] - frame["target"])[:, :2]
        parts = (np.cos(angles), np.sin(angles), qpos[:, 2:], frame["qvel"][:, :2], rest)
        return np.concatenate(parts, axis=1)

    def locate(self, frame: Frame) -> np.ndarray:
        """Return no position: no speed is paid for."""
        return np.empty((len(frame), 0))

    def judge(self, frame: Frame, velocity: np.ndarray, actions: np.ndarray) -> Outcome:
        """Charge for what is left to go, and for control."""
        distance = -lengths(frame["fingertip"] - frame["target"]) * self.reward_dist_weight
        control = -sum_of_squares(actions) * self.reward_control_weight
        info = {"reward_dist": distance, "reward_ctrl": control}
        return Outcome(distance + control, np.zeros(len(frame), dtype=bool), info)

    def tell_start(self, frame: Frame) -> dict[str, np.ndarray]:
        """Tell nothing, as gymnasium's world does."""
        return {}
