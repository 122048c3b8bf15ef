"""Ant-v5: a four-legged body is paid for running to the right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from ..arithmetic import lengths, sum_of_squares
from ..frame import Frame
from ..task import Outcome, Task, start_with_normal_speed


@final
@dataclass(frozen=True)
class Ant(Task):
    """The equations of `gymnasium/envs/mujoco/ant_v5.py`; the settings are documented there."""

    needs_contact_forces: ClassVar[bool] = True

    xml_file: str = "ant.xml"
    frame_skip: int = 5
    forward_reward_weight: float = 1.0
    ctrl_cost_weight: float = 0.5
    contact_cost_weight: float = 5e-4
    healthy_reward: float = 1.0
    main_body: int | str = 1
    terminate_when_unhealthy: bool = True
    healthy_z_range: tuple[float, float] = (0.2, 1.0)
    contact_force_range: tuple[float, float] = (-1.0, 1.0)
    reset_noise_scale: float = 0.1
    exclude_current_positions_from_observation: bool = True
    include_cfrc_ext_in_observation: bool = True

    def quantities(self, model: Any, data: Any) -> dict[str, np.ndarray]:
        """Read the state, where the torso is, and the forces of contacts."""
        return {
            "qpos": data.qpos,
            "qvel": data.qvel,
            "cfrc_ext": data.cfrc_ext,
            "main_body": data.body(self.main_body).xpos[:2],
        }

    def draw_start(
        self, generator: np.random.Generator, qpos: np.ndarray, qvel: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw a start around the model's initial state."""
        return start_with_normal_speed(generator, self.reset_noise_scale, qpos, qvel)

    def observe(self, frame: Frame) -> np.ndarray:
        """Return positions, velocities and the clipped forces on every body but the floor."""
        skipped = 2 if self.exclude_current_positions_from_observation else 0
        parts = [frame["qpos"][:, skipped:], frame["qvel"]]
        if self.include_cfrc_ext_in_observation:
            parts.append(frame["cfrc_ext"][:, 6:].clip(*self.contact_force_range))
        return np.concatenate(parts, axis=1)

    def locate(self, frame: Frame) -> np.ndarray:
        """Return where the torso is on the ground."""
        return frame["main_body"].copy()

    def judge(self, frame: Frame, velocity: np.ndarray, actions: np.ndarray) -> Outcome:
        """Pay for speed and health; charge for control and contact."""
        qpos = frame["qpos"]
        low, high = self.healthy_z_range
        finite = np.isfinite(qpos).all(axis=1) & np.isfinite(frame["qvel"]).all(axis=1)
        healthy = finite & (low <= qpos[:, 2]) & (qpos[:, 2] <= high)
        forward = velocity[:, 0] * self.forward_reward_weight
        survive = healthy * self.healthy_reward
        control_cost = self.ctrl_cost_weight * sum_of_squares(actions)
        forces = frame["cfrc_ext"].clip(*self.contact_force_range)
        contact_cost = self.contact_cost_weight * sum_of_squares(forces)
        rewards = forward + survive - (control_cost + contact_cost)
        info = {
            **self.tell_start(frame),
            "x_velocity": velocity[:, 0].copy(),
            "y_velocity": velocity[:, 1].copy(),
            "reward_forward": forward,
            "reward_ctrl": -control_cost,
            "reward_contact": -contact_cost,
            "reward_survive": survive,
        }
        return Outcome(rewards, ~healthy & self.terminate_when_unhealthy, info)

    def tell_start(self, frame: Frame) -> dict[str, np.ndarray]:
        """Tell where the copies are."""
        ground = frame["qpos"][:, :2].copy()
        return {
            "x_position": ground[:, 0],
            "y_position": ground[:, 1],
            "distance_from_origin": lengths(ground),
        }
