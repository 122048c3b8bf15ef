"""Scripted controllers for some of Meta-World's tasks, as demonstrators and as a ceiling.

Each is a function from observations alone, without memory, so that a network can learn it. They
were written for these worlds from what the observations mean: the hand at 0 to 2, how open the
gripper is at 3, the object's position at 4 to 6, the goal at 36 to 38.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Controller = Callable[[np.ndarray], np.ndarray]
"""From observations, of shape (copies, 39), to actions from -1 to 1, of shape (copies, 4)."""

_RIGHT, _UP = np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])
_GAIN = 10.0
_OPEN, _CLOSE = -1.0, 1.0
_GRASPED = 0.7
"""Openness below which the fingers hold the puck: open they tell 1, around it 0.45."""


def close_window(observations: np.ndarray) -> np.ndarray:
    """Push the window's handle to the left, from its right side.

    Args:
        observations: of shape (copies, 39).

    Returns:
        Actions of shape (copies, 4).
    """
    return _push_left(observations, near=(0.05, 0.08), above=0.2)


def close_faucet(observations: np.ndarray) -> np.ndarray:
    """Push the faucet's handle to the left, from its right side.

    Args:
        observations: of shape (copies, 39).

    Returns:
        Actions of shape (copies, 4).
    """
    return _push_left(observations, near=(0.05, 0.05), above=0.15)


def press_handle(observations: np.ndarray) -> np.ndarray:
    """Go above the handle, and down with it.

    Args:
        observations: of shape (copies, 39).

    Returns:
        Actions of shape (copies, 4).
    """
    hand, handle = observations[:, :3], observations[:, 4:7]
    beside = _distance(hand, handle) > 0.03
    target = np.where(beside[:, None], handle + 0.2 * _UP, handle - 0.3 * _UP)
    return _move(hand, target, np.full(len(hand), _CLOSE))


def push_puck(observations: np.ndarray) -> np.ndarray:
    """Grasp the puck from above, and drag it to the goal.

    Args:
        observations: of shape (copies, 39).

    Returns:
        Actions of shape (copies, 4).
    """
    hand, puck, goal = observations[:, :3], observations[:, 4:7], observations[:, 36:39]
    beside = _distance(hand, puck) > 0.02
    away = beside | (np.abs(hand[:, 2] - puck[:, 2]) > 0.05)
    waits = away | (observations[:, 3] > _GRASPED)
    around = puck + 0.02 * _UP
    target = np.where(waits[:, None], around, goal)
    target = np.where(beside[:, None], puck + 0.2 * _UP, target)
    return _move(hand, target, np.where(away, _OPEN, _CLOSE))


CONTROLLERS: dict[str, Controller] = {
    "MetaWorld/FaucetClose-v3": close_faucet,
    "MetaWorld/HandlePressSide-v3": press_handle,
    "MetaWorld/Push-v3": push_puck,
    "MetaWorld/WindowClose-v3": close_window,
}
"""Who can do which task."""


def _push_left(observations: np.ndarray, near: tuple[float, float], above: float) -> np.ndarray:
    """Go to the right of an object, from above, and push it to the left.

    Args:
        observations: of shape (copies, 39).
        near: metres in depth and in height within which the hand meets the object.
        above: metres at which the hand travels over the table.
    """
    hand, thing = observations[:, :3], observations[:, 4:7]
    apart = np.abs(hand - thing)
    meets = (apart[:, 1] < near[0]) & (apart[:, 2] < near[1]) & (hand[:, 0] > thing[:, 0])
    right = thing + 0.06 * _RIGHT
    travels = _distance(hand, right) > 0.04
    target = np.where(travels[:, None], right + above * _UP, right)
    target = np.where(meets[:, None], thing - 0.1 * _RIGHT, target)
    return _move(hand, target, np.full(len(hand), _CLOSE))


def _distance(hand: np.ndarray, thing: np.ndarray) -> np.ndarray:
    """Return how far apart two things are as seen from above."""
    distance: np.ndarray = np.linalg.norm(hand[:, :2] - thing[:, :2], axis=1)
    return distance


def _move(hand: np.ndarray, target: np.ndarray, gripper: np.ndarray) -> np.ndarray:
    moves = np.clip(_GAIN * (target - hand), -1, 1)
    return np.concatenate([moves, gripper[:, None]], axis=1)
