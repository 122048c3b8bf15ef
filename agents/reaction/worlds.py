"""The reactions of this package for agents of others."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from stable_baselines3.common.vec_env import VecEnv

from ...wrappers.errors import SettingsError
from ..method import Method, overrides
from ..registry import describe_methods, rebuild_method
from ..watched_vec_env import WatchedVecEnv

SEAMS = ("notices", "reward")
"""What works without an agent that knows of methods."""


def react(env: VecEnv, methods: Sequence[Method], seed: int | None = None) -> WatchedVecEnv:
    """Return worlds with methods that watch them, for any agent of stable-baselines3.

    Rewards are what the methods make of them, and the first copy's `info` has "detected" where one
    notices a change. All else that methods do needs an agent of this package. What the methods
    have learned is not saved with the agent.

    Args:
        env: the worlds.
        methods: such as `ReactiveExploration()`; the worlds get their own copies.
        seed: of the methods. None: random.

    Raises:
        SettingsError: a method does something else, or can't use the worlds' spaces.

    Example:
        >>> from stable_baselines3 import DQN
        >>> from everlearn.agents.reaction import ReactiveExploration
        >>> from stable_baselines3.common.env_util import make_vec_env
        >>> worlds = react(make_vec_env("CartPole-v1", seed=0), [ReactiveExploration()], seed=0)
        >>> DQN("MlpPolicy", worlds, learning_starts=10, device="cpu").learn(40).num_timesteps
        40
    """
    copies = [rebuild_method(described) for described in describe_methods(methods)]
    drawn = secrets.randbits(62) if seed is None else seed
    for index, method in enumerate(copies):
        if not overrides(method, *SEAMS):
            raise SettingsError(f"{method.name} only works with an agent of everlearn")
        method.spaces = (env.observation_space, env.action_space)
        method.attach((), drawn + index)
    return WatchedVecEnv(env, copies)
