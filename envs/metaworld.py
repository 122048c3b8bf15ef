"""Meta-World through envpool: the ten tasks of Continual World, their faults, their successes."""

from __future__ import annotations

from typing import Any, final

import numpy as np

CW10 = (
    "MetaWorld/Hammer-v3",
    "MetaWorld/PushWall-v3",
    "MetaWorld/FaucetClose-v3",
    "MetaWorld/PushBack-v3",
    "MetaWorld/StickPull-v3",
    "MetaWorld/HandlePressSide-v3",
    "MetaWorld/Push-v3",
    "MetaWorld/ShelfPlace-v3",
    "MetaWorld/WindowClose-v3",
    "MetaWorld/PegUnplugSide-v3",
)
"""The sequence of Continual World (Wolczyk et al., NeurIPS 2021), in its order.

It was published with version 1 of the tasks, whose rewards had another scale.
"""

DEFAULTS = {"partially_observable": False, "max_episode_steps": 200}
"""Settings that differ from envpool's, which hides the goal and ends episodes at 500 steps."""

DRIFTING = ("MetaWorld/Hammer-v3", "MetaWorld/ShelfPlace-v3")
"""Worlds whose goal moves away, by about 0.85 metres at each reset of a pool of envpool 1.2.5.

After the first reset ShelfPlace cannot be solved. These get a new pool for each episode.
"""


def is_metaworld(world: str) -> bool:
    """Say whether an envpool id is one of Meta-World's."""
    return world.startswith("MetaWorld/")


@final
class Successes:
    """Keeps, for each copy, whether its running episode has succeeded at any step.

    Published figures count an episode by either rule: a success at any step, or at the last one.
    Both are told at each episode's end.

    Args:
        num_envs: number of copies.

    Example:
        >>> successes = Successes(2)
        >>> successes.tell(np.array([True, False]), ended=np.array([False, False]))
        {}
        >>> info = successes.tell(np.array([False, False]), ended=np.array([True, True]))
        >>> info["success_any"].tolist(), info["success_final"].tolist()
        ([True, False], [False, False])
    """

    def __init__(self, num_envs: int) -> None:
        self._any = np.zeros(num_envs, dtype=bool)

    def forget(self, copies: np.ndarray) -> None:
        """Begin an episode in the copies of a mask."""
        self._any[copies] = False

    def tell(self, success: np.ndarray, ended: np.ndarray) -> dict[str, Any]:
        """Take in one step.

        Args:
            success: whether each copy has reached its goal in this step.
            ended: the copies whose episode ends with it.

        Returns:
            Entries for the step's info: `success_any` and `success_final`, with a mask of the ended
            copies, or nothing where none has ended.
        """
        self._any |= success
        if not ended.any():
            return {}
        told = {
            "success_any": self._any & ended,
            "_success_any": ended.copy(),
            "success_final": success & ended,
            "_success_final": ended.copy(),
        }
        self._any[ended] = False
        return told
