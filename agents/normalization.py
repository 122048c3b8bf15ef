"""What worlds that scale observations have learned, as part of an agent's state.

Such worlds have an attribute `normalization` with `get_statistics` and `set_statistics`, as those
of `everlearn.envs.make_vec_env(..., normalize=True)`. stable-baselines3's `VecNormalize` is saved
by itself, as its users know it.
"""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.vec_env import VecEnv


def read_statistics(env: VecEnv | None) -> dict[str, Any]:
    """Return what an agent's worlds have learned of scales, or nothing.

    Args:
        env: the copies of the world.
    """
    normalization = _normalization(env)
    return {} if normalization is None else normalization.get_statistics()


def hand_over(statistics: dict[str, Any], env: VecEnv | None) -> None:
    """Let worlds go on from what others have learned of scales, if they scale at all.

    Args:
        statistics: from `read_statistics`.
        env: the copies of the world.
    """
    normalization = _normalization(env)
    if statistics and normalization is not None:
        normalization.set_statistics(statistics)


def _normalization(env: VecEnv | None) -> Any:
    return None if env is None else getattr(env.unwrapped, "normalization", None)
