"""The two smallest worlds in which never to stop learning pays."""

from __future__ import annotations

from typing import Any, final

import gymnasium
import numpy as np
from gymnasium import spaces


@final
class TwoArmedBandit(gymnasium.Env[np.ndarray, Any]):
    """Two arms: the best pays 1 with probability 0.8, the other with 0.2.

    The observation is always 0. With the best arm switching at random it is the example by which
    Abel et al., "A definition of continual reinforcement learning" (NeurIPS 2023), show an agent
    that must not stop learning; the probabilities are ours.

    Example:
        >>> env = TwoArmedBandit()
        >>> _ = env.reset(seed=0)
        >>> env.step(0)[1] in (0.0, 1.0)
        True
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - gymnasium's own attribute

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.best_arm: float = 0
        self.observation_space = spaces.Box(0.0, 1.0, (1,), dtype=np.float32)
        self.action_space = spaces.Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """There is nothing to begin."""
        super().reset(seed=seed)
        return np.zeros(1, dtype=np.float32), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Pull an arm."""
        chance = 0.8 if action == self.best_arm else 0.2
        reward = float(self.np_random.random() < chance)
        return np.zeros(1, dtype=np.float32), reward, False, False, {}


@final
class TwoStateChain(gymnasium.Env[np.ndarray, Any]):
    """Two states: action 1 moves to the other, action 0 stays; being at the goal pays 1.

    A move fails with probability 0.1. The observation is one-hot and does not tell the goal.

    Example:
        >>> env = TwoStateChain()
        >>> observation, _ = env.reset(seed=0)
        >>> float(observation.sum())
        1.0
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - gymnasium's own attribute

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.goal: float = 0
        self._state = 0
        self.observation_space = spaces.Box(0.0, 1.0, (2,), dtype=np.float32)
        self.action_space = spaces.Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin in one of the states."""
        super().reset(seed=seed)
        self._state = int(self.np_random.integers(2))
        return self._observe(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Stay or move."""
        if action == 1 and self.np_random.random() >= 0.1:
            self._state = 1 - self._state
        return self._observe(), float(self._state == self.goal), False, False, {}

    def _observe(self) -> np.ndarray:
        return np.eye(2, dtype=np.float32)[self._state]
