"""Humanoid-v5: a two-legged body is paid for walking forward without falling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from ..arithmetic import lengths, sum_of_squares
from ..frame import Frame
from ..task import Outcome, Task, start_with_uniform_speed


@final
@dataclass(frozen=True)
class Humanoid(Task):
    """The equations of `gymnasium/envs/mujoco/humanoid_v5.py`; the settings are told there."""

    needs_contact_forces: ClassVar[bool] = True

    xml_file: str = "humanoid.xml"
    frame_skip: int = 5
    forward_reward_weight: float = 1.25
    ctrl_cost_weight: float = 0.1
    contact_cost_weight: float = 5e-7
    contact_cost_range: tuple[float, float] = (-np.inf, 10.0)
    healthy_reward: float = 5.0
    terminate_when_unhealthy: bool = True
    healthy_z_range: tuple[float, float] = (1.0, 2.0)
    reset_noise_scale: float = 1e-2
    exclude_current_positions_from_observation: bool = True
    include_cinert_in_observation: bool = True
    include_cvel_in_observation: bool = True
    include_qfrc_actuator_in_observation: bool = True
    include_cfrc_ext_in_observation: bool = True

    def quantities(self, model: Any, data: Any) -> dict[str, np.ndarray]:
        """Read the state, what bodies weigh and where they are, and the forces on them."""
        return {
            "qpos": data.qpos,
            "qvel": data.qvel,
            "cinert": data.cinert,
            "cvel": data.cvel,
            "qfrc_actuator": data.qfrc_actuator,
            "cfrc_ext": data.cfrc_ext,
            "ctrl": data.ctrl,
            "ten_length": data.ten_length,
            "ten_velocity": data.ten_velocity,
            "xipos": data.xipos,
            "body_mass": model.body_mass,
        }

    def draw_start(
        self, generator: np.random.Generator, qpos: np.ndarray, qvel: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw a start around the model's initial state."""
        return start_with_uniform_speed(generator, self.reset_noise_scale, qpos, qvel)

    def observe(self, frame: Frame) -> np.ndarray:
        """Return the state, and inertias, velocities and forces of every body but the floor."""
        skipped = 2 if self.exclude_current_positions_from_observation else 0
        parts = [frame["qpos"][:, skipped:], frame["qvel"]]
        if self.include_cinert_in_observation:
            parts.append(frame["cinert"][:, 10:])
        if self.include_cvel_in_observation:
            parts.append(frame["cvel"][:, 6:])
        if self.include_qfrc_actuator_in_observation:
            parts.append(frame["qfrc_actuator"][:, 6:])
        if self.include_cfrc_ext_in_observation:
            parts.append(frame["cfrc_ext"][:, 6:])
        return np.concatenate(parts, axis=1)

    def locate(self, frame: Frame) -> np.ndarray:
        """Return where the centre of mass is on the ground."""
        mass = frame["body_mass"]
        places = frame["xipos"].reshape(*mass.shape, 3)
        moment = np.einsum("cb,cbj->cj", mass, places)
        return (moment / mass.sum(axis=1, keepdims=True))[:, :2]

    def judge(self, frame: Frame, velocity: np.ndarray, actions: np.ndarray) -> Outcome:
        """Pay for speed and health; charge for control and contact."""
        height = frame["qpos"][:, 2]
        low, high = self.healthy_z_range
        healthy = (low < height) & (height < high)
        forward = self.forward_reward_weight * velocity[:, 0]
        survive = healthy * self.healthy_reward
        # Of what the simulator was told, not of the actions as they were given.
        control_cost = self.ctrl_cost_weight * sum_of_squares(frame["ctrl"])
        contact_cost = self.contact_cost_weight * sum_of_squares(frame["cfrc_ext"])
        contact_cost = contact_cost.clip(*self.contact_cost_range)
        rewards = forward + survive - (control_cost + contact_cost)
        info = {
            **self.tell_start(frame),
            "x_velocity": velocity[:, 0].copy(),
            "y_velocity": velocity[:, 1].copy(),
            "reward_survive": survive,
            "reward_forward": forward,
            "reward_ctrl": -control_cost,
            "reward_contact": -contact_cost,
        }
        return Outcome(rewards, ~healthy & self.terminate_when_unhealthy, info)

    def tell_start(self, frame: Frame) -> dict[str, np.ndarray]:
        """Tell where the copies are, and what their tendons do."""
        ground = frame["qpos"][:, :2].copy()
        return {
            "x_position": ground[:, 0],
            "y_position": ground[:, 1],
            "tendon_length": frame["ten_length"].copy(),
            "tendon_velocity": frame["ten_velocity"].copy(),
            "distance_from_origin": lengths(ground),
        }
