"""What the stream layer costs by itself: worlds that do nothing, and layers around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from gymnasium.wrappers import vector as usual

from ...wrappers.change import Change
from ...wrappers.schedules import Periodic
from ...wrappers.values import LogUniform
from ...wrappers.vector_non_stationary import VectorNonStationary
from ...wrappers.vector_normalize import VectorNormalize

NOTHING = "no layer"
"""What the layers' cost is counted from."""

_EPISODE = 1000
_OBSERVATION, _ACTION = 17, 6


@final
class NullWorlds(VectorEnv):
    """Copies of a world that does nothing, in HalfCheetah's spaces.

    Args:
        num_envs: number of copies.
        autoreset_mode: what it says of itself; episodes of 1,000 steps end in each copy in turn.
        told: entries of `info` at each step, as many as HalfCheetah's.
    """

    def __init__(
        self,
        num_envs: int,
        autoreset_mode: AutoresetMode = AutoresetMode.SAME_STEP,
        told: Sequence[str] = ("x_position", "x_velocity", "reward_forward", "reward_ctrl"),
    ) -> None:
        self.num_envs = num_envs
        self._told = told
        self.metadata = {"autoreset_mode": autoreset_mode}
        infinite = np.full(_OBSERVATION, np.inf)
        self.single_observation_space = gymnasium.spaces.Box(-infinite, infinite, dtype=np.float64)
        self.single_action_space = gymnasium.spaces.Box(-1.0, 1.0, (_ACTION,))
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._observations = np.random.default_rng(0).normal(size=(num_envs, _OBSERVATION))
        self._rewards = np.ones(num_envs)
        self._nobody = np.zeros(num_envs, dtype=bool)
        everybody = ~self._nobody
        self._info: dict[str, Any] = {name: np.ones(num_envs) for name in told}
        self._info |= {f"_{name}": everybody for name in told}
        self._steps = 0

    def set_context(self, context: Mapping[str, np.ndarray]) -> bool:
        """Take the context without doing anything about it."""
        return False

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin anew."""
        self._steps = 0
        return self._observations, dict(self._info)

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Return what is always the same, but for the ends of episodes."""
        self._steps += 1
        copy, rest = divmod(self._steps % _EPISODE, max(_EPISODE // self.num_envs, 1))
        if rest or copy >= self.num_envs:
            truncated, info = self._nobody, dict(self._info)
        else:
            truncated = self._nobody.copy()
            truncated[copy] = True
            final_obs = np.full(self.num_envs, None, dtype=object)
            final_obs[copy] = self._observations[copy]
            info = {**self._info, "final_obs": final_obs, "_final_obs": truncated}
        return self._observations, self._rewards, self._nobody, truncated, info


def layers(copies: int, change_every: int) -> dict[str, Callable[[], Any]]:
    """Return, by name, what makes worlds that do nothing with one layer or another around them.

    Args:
        copies: copies of the world.
        change_every: steps of the vector between changes.
    """
    from ...envs.vec_env import StreamVecEnv

    change = Change("friction", LogUniform(0.5, 2.0), Periodic(change_every * copies))

    def changing() -> VectorEnv:
        return VectorNonStationary(NullWorlds(copies), [change], seed=0)

    def normalised() -> VectorEnv:
        return VectorNormalize(changing())

    return {
        NOTHING: lambda: NullWorlds(copies),
        "changes": changing,
        "changes, statistics, SB3 infos": lambda: StreamVecEnv(changing(), seed=0),
        "changes, normalised": normalised,
        "changes, normalised, statistics, SB3 infos": lambda: StreamVecEnv(normalised(), seed=0),
        "gymnasium's usual five": lambda: _usual_five(copies),
    }


def _usual_five(copies: int) -> VectorEnv:
    """Wrap as scripts for continuous control do: statistics, and both normalised and clipped."""
    env: VectorEnv = NullWorlds(copies, AutoresetMode.NEXT_STEP)
    env = usual.RecordEpisodeStatistics(env)
    env = usual.NormalizeObservation(env)
    env = usual.TransformObservation(env, lambda observations: np.clip(observations, -10, 10))
    env = usual.NormalizeReward(env)
    return usual.TransformReward(env, lambda rewards: np.clip(rewards, -10, 10))
