"""A wrapper that scales observations and rewards by what it has seen of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, final, get_args

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from . import info as names
from .checks import require_above, require_whole
from .errors import SettingsError, unknown

AtChange = Literal["carry", "reset"]
"""What becomes of the statistics when a change lands: they go on, or begin anew."""

RAW_REWARD = "raw_reward"
"""Entry of `info` with the rewards before they were scaled, for who adds returns up."""


@final
class VectorNormalize(VectorWrapper):
    """Brings observations to mean 0 and variance 1, and rewards to returns of variance 1.

    Means and variances run over all copies and all steps (Chan et al., 1979); rewards are divided
    by the standard deviation of the discounted sum of rewards, as in gymnasium's `NormalizeReward`.
    Observations and sums share one table of statistics, which takes in what it was shown a block
    of steps at a time: between blocks, a step costs a few operations for all copies together.

    Args:
        env: copies of a world with flat observations of floats and same-step autoreset.
        observations: whether to scale observations.
        rewards: whether to scale rewards.
        gamma: discount of the sum of rewards, from 0 to 1.
        clip: largest magnitude that comes out, above 0.
        update_every: vector steps in a block, at least 1; first blocks are shorter.
        at_change: what becomes of the statistics at a change that `info` tells of.

    Raises:
        SettingsError: for other observations, or anything out of range.

    Example:
        >>> import gymnasium
        >>> worlds = gymnasium.vector.SyncVectorEnv(
        ...     [lambda: gymnasium.make("Pendulum-v1")] * 8, autoreset_mode="SameStep"
        ... )
        >>> env = VectorNormalize(worlds)
        >>> _ = env.reset(seed=0)
        >>> seen = np.array([env.step(env.action_space.sample())[0] for _ in range(200)])
        >>> bool(abs(seen[100:, :, 2].std() - 1) < 0.5)
        True

    Change logs:
        * v0.1.0 - Initially added
    """

    def __init__(
        self,
        env: VectorEnv,
        observations: bool = True,
        rewards: bool = True,
        gamma: float = 0.99,
        clip: float = 10.0,
        update_every: int = 16,
        at_change: AtChange = "carry",
    ) -> None:
        super().__init__(env)
        space = env.single_observation_space
        if not isinstance(space, spaces.Box) or len(space.shape) != 1:
            raise SettingsError(f"only flat observations can be normalized, not {space}")
        if env.metadata.get("autoreset_mode") != AutoresetMode.SAME_STEP:
            raise SettingsError("VectorNormalize needs worlds with same-step autoreset")
        if at_change not in get_args(AtChange):
            raise unknown("treatment of statistics at a change", str(at_change), get_args(AtChange))
        if not 0 <= gamma <= 1:
            raise SettingsError(f"gamma must be from 0 to 1, not {gamma!r}")
        require_above("clip", clip, 0.0)
        require_whole("update_every", update_every, 1)
        self._scales = (observations, rewards)
        self._gamma, self._clip, self._at_change = gamma, clip, at_change
        self._block = np.zeros((update_every, env.num_envs, space.shape[0] + 1))
        self._returns = np.zeros(env.num_envs)
        self.training = True
        self._forget()
        if observations:
            self.single_observation_space = spaces.Box(-clip, clip, space.shape, space.dtype.type)
            self.observation_space = batch_space(self.single_observation_space, env.num_envs)

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode in every copy; what was learned of scales stays."""
        observations, info = self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]
        self._returns[:] = 0.0
        return self._scaled(observations), info

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take a step, look at what came, and scale it."""
        observations, rewards, terminated, truncated, info = self.env.step(actions)
        if self._at_change == "reset" and np.any(info.get(names.CHANGED, False)):
            self._forget()
        self._returns *= self._gamma
        self._returns += rewards
        if self.training:
            self._look(observations)
        if "final_obs" in info:
            info = {**info, "final_obs": self._scaled_final(info["final_obs"])}
            self._returns[terminated | truncated] = 0.0
        if self._scales[1]:
            info = {**info, RAW_REWARD: rewards}
            rewards = np.minimum(np.maximum(rewards * self._factor[-1], -self._clip), self._clip)
        return self._scaled(observations), rewards, terminated, truncated, info

    def get_state(self) -> dict[str, Any]:
        """Return the statistics, and what they have not taken in yet."""
        return {
            "count": self._count,
            "mean": self._mean.copy(),
            "squares": self._squares.copy(),
            "block": self._block.copy(),
            "waiting": self._waiting,
            "patience": self._patience,
            "returns": self._returns.copy(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` returned."""
        self._count, self._waiting = state["count"], state["waiting"]
        self._patience = state["patience"]
        self._mean, self._squares = np.array(state["mean"]), np.array(state["squares"])
        self._block, self._returns = np.array(state["block"]), np.array(state["returns"])
        self._note_factor()

    def _forget(self) -> None:
        width = self._block.shape[2]
        self._count = 0
        self._mean, self._squares = np.zeros(width), np.zeros(width)
        self._factor = np.ones(width)
        self._waiting, self._patience = 0, 1

    def _look(self, observations: np.ndarray) -> None:
        row = self._block[self._waiting]
        row[:, :-1] = observations
        row[:, -1] = self._returns
        self._waiting += 1
        if self._waiting >= self._patience:
            self._take_in(self._block[: self._waiting].reshape(-1, row.shape[1]))
            self._waiting = 0
            self._patience = min(2 * self._patience, len(self._block))

    def _take_in(self, rows: np.ndarray) -> None:
        """Join the rows' moments with those of all rows before."""
        total = self._count + len(rows)
        mean = rows.mean(axis=0)
        centred = rows - mean
        step = mean - self._mean
        self._squares += np.einsum("ij,ij->j", centred, centred)
        self._squares += step**2 * (self._count * len(rows) / total)
        self._mean += step * (len(rows) / total)
        self._count = total
        self._note_factor()

    def _note_factor(self) -> None:
        if self._count:
            self._factor = 1.0 / np.sqrt(self._squares / self._count + 1e-8)

    def _scaled(self, observations: np.ndarray) -> np.ndarray:
        if not self._scales[0]:
            return observations
        scaled = (observations - self._mean[:-1]) * self._factor[:-1]
        np.maximum(scaled, -self._clip, out=scaled)
        np.minimum(scaled, self._clip, out=scaled)
        return scaled.astype(observations.dtype, copy=False)

    def _scaled_final(self, final: np.ndarray) -> np.ndarray:
        scaled = final.copy()
        for copy, observation in enumerate(final):
            if observation is not None:
                scaled[copy] = self._scaled(observation)
        return scaled
