"""InvertedPendulum-v5: a cart is paid for each step in which its pole stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from ..frame import Frame
from ..task import Outcome, Task, start_with_uniform_speed


@final
@dataclass(frozen=True)
class InvertedPendulum(Task):
    """The equations of `gymnasium/envs/mujoco/inverted_pendulum_v5.py`."""

    needs_contact_forces: ClassVar[bool] = False

    xml_file: str = "inverted_pendulum.xml"
    frame_skip: int = 2
    reset_noise_scale: float = 0.01

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
        return np.concatenate((frame["qpos"], frame["qvel"]), axis=1)

    def locate(self, frame: Frame) -> np.ndarray:
        """Return no position: no speed is paid for."""
        return np.empty((len(frame), 0))

    def judge(self, frame: Frame, velocity: np.ndarray, actions: np.ndarray) -> Outcome:
        """Pay one while the pole stands."""
        qpos = frame["qpos"]
        finite = np.isfinite(qpos).all(axis=1) & np.isfinite(frame["qvel"]).all(axis=1)
        fallen = ~finite | (np.abs(qpos[:, 1]) > 0.2)
        survive = (~fallen).astype(np.int64)
        return Outcome(survive.astype(np.float64), fallen, {"reward_survive": survive})

    def tell_start(self, frame: Frame) -> dict[str, np.ndarray]:
        """Tell nothing, as gymnasium's world does."""
        return {}
