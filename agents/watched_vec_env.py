"""Worlds that show an agent's methods every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from ..wrappers.info import DETECTED
from .experience import Experience
from .method import Method


@final
class WatchedVecEnv(VecEnvWrapper):
    """Worlds whose every step methods see, before the agent does.

    Methods may put another reward in the place of the world's (`Method.reward`), and tell that the
    world seems to have changed (`Method.notices`): the first copy's `info` then has "detected".
    Agents of this package watch by themselves; for others, such as stable-baselines3's DQN, see
    `everlearn.agents.reaction.worlds.react`.

    Args:
        venv: the worlds.
        methods: who looks.
        observe: returns where the next step begins; None where the worlds' own answers tell.
    """

    def __init__(
        self,
        venv: VecEnv,
        methods: Sequence[Method],
        observe: Callable[[], Any] | None = None,
    ) -> None:
        super().__init__(venv)
        self._methods = tuple(methods)
        self._newest: Any = None
        self._observe = observe or (lambda: self._newest)

    def reset(self) -> VecEnvObs:
        """Begin an episode in every copy."""
        self._newest = self.venv.reset()
        return self._newest

    def step_async(self, actions: np.ndarray) -> None:
        """Begin the step."""
        # A copy: worlds may write the next observations into the same array.
        self._begun, self._actions = np.array(self._observe()), actions
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """End the step."""
        observations, rewards, dones, infos = self.venv.step_wait()
        ends: Any = observations
        if dones.any():
            ends = ends.copy()
            for index in np.flatnonzero(dones):
                ends[index] = infos[index].get("terminal_observation", ends[index])
        experience = Experience(self._begun, self._actions, rewards, ends, dones)
        # All are asked: each remembers what it has seen.
        if any([method.notices(experience) for method in self._methods]):
            infos = [{**infos[0], DETECTED: True}, *infos[1:]]
        for method in self._methods:
            rewards = method.reward(experience, rewards)
        self._newest = observations
        return observations, rewards, dones, infos
