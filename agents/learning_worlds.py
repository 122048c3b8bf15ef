"""What stands between an agent and its worlds and learns by itself, as part of the agent's state.

Such a `VecEnvWrapper` has `get_state` and `set_state` for checkpoints, `get_learned` and
`set_learned` for the agent's zip, and `read_log` for its log; agents that learn from rollouts tell
it advantages if it has `see_advantages`. See `everlearn.agents.secbad.InferContext` and
`everlearn.agents.rl_squared.Trials`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from ..wrappers.errors import SettingsError


def learning_worlds(env: VecEnv | None) -> list[Any]:
    """List what learns around the worlds, the outermost first.

    Args:
        env: as an agent sees it.
    """
    found: list[Any] = []
    while isinstance(env, VecEnvWrapper):
        # Asked of the class: a wrapper passes on what the worlds inside it have.
        if hasattr(type(env), "get_learned"):
            found.append(env)
        env = env.venv
    return found


def read_learned(env: VecEnv | None) -> list[dict[str, Any]]:
    """Return what was learned around an agent's worlds.

    Args:
        env: as the agent sees it.
    """
    return [one.get_learned() for one in learning_worlds(env)]


def tell_advantages(env: VecEnv | None, advantages: np.ndarray) -> None:
    """Tell what is around an agent's worlds, if it asks, how its rollout went.

    Args:
        env: as the agent sees it.
        advantages: of the rollout's steps, of shape (steps, copies).
    """
    for one in learning_worlds(env):
        if hasattr(type(one), "see_advantages"):
            one.see_advantages(advantages)


def hand_over_learned(learned: Sequence[dict[str, Any]], env: VecEnv | None) -> None:
    """Let other worlds go on from what was learned, if there is anything.

    Args:
        learned: from `read_learned`.
        env: as the agent sees it.

    Raises:
        SettingsError: it does not fit.
    """
    around = learning_worlds(env)
    if not learned or not around:
        return
    if len(learned) != len(around):
        raise SettingsError(
            f"the agent learned with {len(learned)} wrappers that learn, not {len(around)}"
        )
    for one, own in zip(around, learned, strict=True):
        one.set_learned(own)
