"""Pusher-v5: an arm is paid for pushing an object to a goal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from ..arithmetic import lengths, sum_of_squares
from ..frame import Frame
from ..task import Outcome, Task


@final
@dataclass(frozen=True)
class Pusher(Task):
    """The equations of `gymnasium/envs/mujoco/pusher_v5.py`; the settings are documented there."""

    needs_contact_forces: ClassVar[bool] = False

    xml_file: str = "pusher_v5.xml"
    frame_skip: int = 5
    reward_near_weight: float = 0.5
    reward_dist_weight: float = 1.0
    reward_control_weight: float = 0.1

    def quantities(self, model: Any, data: Any) -> dict[str, np.ndarray]:
        """Read the state, and where the arm's tip, the object and the goal are."""
        places = {name: data.body(name).xpos for name in ("tips_arm", "object", "goal")}
        return {"qpos": data.qpos, "qvel": data.qvel, **places}

    def draw_start(
        self, generator: np.random.Generator, qpos: np.ndarray, qvel: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw where the object lies, not too near the goal, and slow joints."""
        place = np.zeros(2)
        while np.linalg.norm(place) <= 0.17:
            place[0] = generator.uniform(-0.3, 0)
            place[1] = generator.uniform(-0.2, 0.2)
        positions = qpos.copy()
        positions[-4:-2] = place
        positions[-2:] = 0
        velocities = qvel + generator.uniform(-0.005, 0.005, size=qvel.size)
        velocities[-4:] = 0
        return positions, velocities

    def observe(self, frame: Frame) -> np.ndarray:
        """Return the arm's angles and speeds, and where the three things are."""
        places = (frame["tips_arm"], frame["object"], frame["goal"])
        return np.concatenate((frame["qpos"][:, :7], frame["qvel"][:, :7], *places), axis=1)

    def locate(self, frame: Frame) -> np.ndarray:
        """Return no position: no speed is paid for."""
        return np.empty((len(frame), 0))

    def judge(self, frame: Frame, velocity: np.ndarray, actions: np.ndarray) -> Outcome:
        """Charge for both distances, and for control."""
        pushed = frame["object"]
        near = -lengths(pushed - frame["tips_arm"]) * self.reward_near_weight
        distance = -lengths(pushed - frame["goal"]) * self.reward_dist_weight
        control = -sum_of_squares(actions) * self.reward_control_weight
        info = {"reward_dist": distance, "reward_ctrl": control, "reward_near": near}
        return Outcome(distance + control + near, np.zeros(len(frame), dtype=bool), info)

    def tell_start(self, frame: Frame) -> dict[str, np.ndarray]:
        """Tell nothing, as gymnasium's world does."""
        return {}
