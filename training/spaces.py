"""Whether an agent can see and act in a world."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from gymnasium import spaces

from ..wrappers.errors import SettingsError

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

_VECTORS = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)

_OBSERVATIONS: dict[str, tuple[type[spaces.Space], ...]] = {
    "ppo": _VECTORS,
    "recurrent-ppo": _VECTORS,
    "sac": _VECTORS,
    **dict.fromkeys(("iql", "cql", "famo2o", "famo2o-online", "oer"), (spaces.Box,)),
    "cotasp": (spaces.Box,),
    "rl-squared": (spaces.Box,),
    "secbad": (spaces.Box,),
}
_ACTIONS: dict[str, tuple[type[spaces.Space], ...]] = {
    "ppo": _VECTORS,
    "recurrent-ppo": _VECTORS,
    "sac": (spaces.Box,),
    **dict.fromkeys(("iql", "cql", "famo2o", "famo2o-online", "oer"), (spaces.Box,)),
    "cotasp": (spaces.Box,),
    "rl-squared": (spaces.Box, spaces.Discrete),
    "secbad": (spaces.Box, spaces.Discrete),
}


def require_spaces(env: VecEnv, agent: str, stream: str) -> None:
    """Raise unless an agent can use a world's spaces.

    Args:
        env: the copies of the world.
        agent: the agent's name, such as "ppo".
        stream: the stream's name, for the error's sentence.

    Raises:
        SettingsError: naming the space and those that the agent can use.
    """
    for what, space, allowed in (
        ("observation", env.observation_space, _OBSERVATIONS[agent]),
        ("action", env.action_space, _ACTIONS[agent]),
    ):
        if not isinstance(space, allowed):
            names = ", ".join(kind.__name__ for kind in allowed)
            raise SettingsError(
                f"{agent} cannot use the {what} space {type(space).__name__} of {stream!r}: "
                f"it can use {names}"
            )
    action = env.action_space
    if isinstance(action, spaces.Box) and not np.isfinite([action.low, action.high]).all():
        raise SettingsError(f"{agent} cannot use the action space of {stream!r}: it has no bounds")
