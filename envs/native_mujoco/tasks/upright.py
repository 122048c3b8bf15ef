"""What Hopper and Walker2d have in common: flat bodies that are paid for moving upright."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arithmetic import sum_of_squares
from ..frame import Frame
from ..task import Outcome


def quantities(model: Any, data: Any) -> dict[str, np.ndarray]:
    """Name the state, and the height at which the body was built.

    Args:
        model: one copy's `mujoco.MjModel`.
        data: its `mujoco.MjData`.
    """
    return {"qpos": data.qpos, "qvel": data.qvel, "initial_height": model.qpos0[1:2].copy()}


def observe(frame: Frame, exclude_position: bool) -> np.ndarray:
    """Return positions and clipped velocities.

    Args:
        frame: the moment to observe.
        exclude_position: whether to leave out how far to the right the body is.
    """
    skipped = 1 if exclude_position else 0
    return np.concatenate((frame["qpos"][:, skipped:], frame["qvel"].clip(-10, 10)), axis=1)


def judge(
    frame: Frame,
    velocity: np.ndarray,
    actions: np.ndarray,
    healthy: np.ndarray,
    weights: tuple[float, float, float],
    terminate_when_unhealthy: bool,
) -> Outcome:
    """Pay for speed and health, and charge for control.

    Args:
        frame: the moment after the step.
        velocity: to the right, shape (copies, 1), in metres a second.
        actions: shape (copies, actuators).
        healthy: shape (copies,), bool.
        weights: of speed, of control, and the pay for health.
        terminate_when_unhealthy: whether an unhealthy body ends its episode.
    """
    forward_weight, control_weight, healthy_reward = weights
    forward = forward_weight * velocity[:, 0]
    survive = healthy * healthy_reward
    control_cost = control_weight * sum_of_squares(actions)
    info = {
        **tell_start(frame),
        "x_velocity": velocity[:, 0].copy(),
        "reward_forward": forward,
        "reward_ctrl": -control_cost,
        "reward_survive": survive,
    }
    rewards = forward + survive - control_cost
    return Outcome(rewards, ~healthy & terminate_when_unhealthy, info)


def within(values: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    """Say where values lie strictly between two bounds.

    Args:
        values: any shape.
        bounds: the lower and the upper one.

    Example:
        >>> within(np.array([0.0, 1.0, 2.0]), (0.0, 2.0))
        array([False,  True, False])
    """
    return (bounds[0] < values) & (values < bounds[1])


def tell_start(frame: Frame) -> dict[str, np.ndarray]:
    """Tell where the copies are.

    Args:
        frame: the moment to tell of.
    """
    qpos = frame["qpos"]
    return {
        "x_position": qpos[:, 0].copy(),
        "z_distance_from_origin": qpos[:, 1] - frame["initial_height"][:, 0],
    }
