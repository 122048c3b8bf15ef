"""Knobs that alter rewards: their scale and terms, goals, and the length of episodes.

Where a term of the reward is replaced, it is taken from what the world's `info` says, which is the
same on every back end up to the term's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from .errors import SettingsError
from .interface import InterfaceKnob, interface_knob

_FORWARD_TERMS = ("reward_forward", "reward_run")
"""The names under which gymnasium and envpool tell the reward for moving forward."""


@interface_knob
class RewardScale(InterfaceKnob):
    """Multiplies the reward; -1 turns it around. Unit: a factor, 1 for the world's own."""

    name: ClassVar[str] = "reward-scale"

    def reward(
        self, rewards: np.ndarray, info: Mapping[str, Any], values: np.ndarray
    ) -> np.ndarray:
        """Multiply."""
        return rewards * values


@interface_knob
class ForwardRewardWeight(InterfaceKnob):
    """Weighs the reward for moving forward. Unit: a factor; -1 asks for moving backward."""

    name: ClassVar[str] = "forward-reward-weight"

    def reward(
        self, rewards: np.ndarray, info: Mapping[str, Any], values: np.ndarray
    ) -> np.ndarray:
        """Add what the weight makes the term differ by."""
        return rewards + (values - 1.0) * _term(self.name, info, _FORWARD_TERMS)


@interface_knob
class ControlCostWeight(InterfaceKnob):
    """Weighs the cost of control. Unit: a factor, 1 for the world's own, 0 for none."""

    name: ClassVar[str] = "control-cost-weight"

    def check(self, value: float) -> None:
        """A cost that is below 0 is a reward."""
        if value < 0:
            raise SettingsError(f"{self.name} must be at least 0, not {value!r}")

    def reward(
        self, rewards: np.ndarray, info: Mapping[str, Any], values: np.ndarray
    ) -> np.ndarray:
        """Add what the weight makes the term differ by."""
        return rewards + (values - 1.0) * _term(self.name, info, ("reward_ctrl",))


@interface_knob
class GoalVelocity(InterfaceKnob):
    """Pays for keeping a velocity along x in place of moving forward: minus the distance to it.

    As HalfCheetahVel in SeCBAD (Chen et al., NeurIPS 2022). Unit: metres a second.
    """

    name: ClassVar[str] = "goal-velocity"

    def reward(
        self, rewards: np.ndarray, info: Mapping[str, Any], values: np.ndarray
    ) -> np.ndarray:
        """Replace the term for moving forward."""
        velocity = _term(self.name, info, ("x_velocity",))
        return rewards - _term(self.name, info, _FORWARD_TERMS) - np.abs(velocity - values)


@interface_knob
class GoalDirection(InterfaceKnob):
    """Pays for moving in a direction of the plane in place of moving forward.

    The speed in that direction, less half the speed across it, as AntDir in SeCBAD (Chen et al.,
    NeurIPS 2022). In worlds that move along x alone it is the speed times the direction's cosine.
    Unit: radians, 0 for forward, pi for backward.
    """

    name: ClassVar[str] = "goal-direction"

    def reward(
        self, rewards: np.ndarray, info: Mapping[str, Any], values: np.ndarray
    ) -> np.ndarray:
        """Replace the term for moving forward."""
        forward = _term(self.name, info, _FORWARD_TERMS)
        along_x = _term(self.name, info, ("x_velocity",))
        cosine, sine = np.cos(values), np.sin(values)
        if "y_velocity" not in info:
            return rewards - forward + along_x * cosine
        along_y = np.asarray(info["y_velocity"])
        across = along_y * cosine - along_x * sine
        return rewards - forward + along_x * cosine + along_y * sine - 0.5 * np.abs(across)


class _GoalPosition(InterfaceKnob):
    """Pays for being near a coordinate; the two coordinates together are the distance in L1."""

    axis: ClassVar[str]

    def reward(
        self, rewards: np.ndarray, info: Mapping[str, Any], values: np.ndarray
    ) -> np.ndarray:
        """Subtract the distance along the axis."""
        return rewards - np.abs(_term(self.name, info, (f"{self.axis}_position",)) - values)


@interface_knob
class GoalX(_GoalPosition):
    """Takes off the distance to a place along x; with weight 0 for moving forward, a goal.

    Unit: metres from where the episode began.
    """

    name: ClassVar[str] = "goal-x"
    axis: ClassVar[str] = "x"


@interface_knob
class GoalY(_GoalPosition):
    """Takes off the distance to a place along y; see `GoalX`. Unit: metres."""

    name: ClassVar[str] = "goal-y"
    axis: ClassVar[str] = "y"


@interface_knob
class EpisodeLength(InterfaceKnob):
    """Truncates episodes after a number of steps. Unit: steps; at most the world's own limit."""

    name: ClassVar[str] = "episode-length"

    def check(self, value: float) -> None:
        """An episode has at least one step."""
        if value < 1:
            raise SettingsError(f"{self.name} must be at least 1, not {value!r}")

    def ends(self, episode_steps: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Compare."""
        return episode_steps >= values


def _term(knob: str, info: Mapping[str, Any], keys: tuple[str, ...]) -> np.ndarray:
    for key in keys:
        if key in info:
            return np.asarray(info[key], dtype=np.float64)
    raise SettingsError(f"the knob {knob!r} needs a world whose info tells {' or '.join(keys)}")
