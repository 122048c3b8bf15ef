from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import pytest
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv


class TellsOfChanges(gymnasium.Wrapper):
    """A world of short episodes that says of itself what a changing one would."""

    def __init__(self, env: gymnasium.Env, n_envs: int, change_every: int) -> None:
        super().__init__(env)
        self.clock = 0
        self.n_envs = n_envs
        self.change_every = change_every

    def truth(self) -> dict[str, Any]:
        segment, since = divmod(self.clock, self.change_every)
        return {
            "segment": segment,
            "steps_since_change": since,
            "changed": since == 0,
            "context": {"gravity": 10.0 / (1 + segment), "wind": 0.25 * segment},
        }

    def reset(self, **settings: Any) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(**settings)
        return observation, info | self.truth()

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.clock += self.n_envs
        return observation, reward, terminated, truncated, info | self.truth()


@pytest.fixture
def make_changing_env() -> Callable[..., VecEnv]:
    def make(n_envs: int = 2, change_every: int = 64, episode: int = 10) -> VecEnv:
        def one() -> gymnasium.Env:
            env = gymnasium.make("Pendulum-v1", max_episode_steps=episode)
            return Monitor(TellsOfChanges(env, n_envs, change_every))

        return DummyVecEnv([one] * n_envs)

    return make
