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
from .moments import Moments, pooled

AtChange = Literal["carry", "reset", "per-task"]
"""What becomes of the statistics when a change lands: they go on, begin anew, or every task has
its own, which waits until the task comes back."""

Statistics = dict[str, Any]
"""What was learned of scales, as plain data: an entry a task."""

Task = tuple[float, ...]
"""What tells a task from others; empty where all have the same statistics."""

RAW_REWARD = "raw_reward"
"""Entry of `info` with the rewards before they were scaled, for who adds returns up."""


@final
class VectorNormalize(VectorWrapper):
    """Brings observations to mean 0 and variance 1, and rewards to returns of variance 1.

    Means and variances run over all copies and all steps (Chan et al., 1979); rewards are divided
    by the standard deviation of the discounted sum of rewards, as in gymnasium's `NormalizeReward`.
    Observations and sums share one table of statistics, which takes in what it was shown a block
    of steps at a time: between blocks, a step costs a few operations for all copies together.

    When a change lands, the last observation before it is scaled as those before it were; its
    reward counts to what comes after. A task is the entry "task" of the context that `info` tells,
    and where there is none, the whole context.

    Args:
        env: copies of a world with flat observations of floats and same-step autoreset.
        observations: whether to scale observations.
        rewards: whether to scale rewards.
        gamma: discount of the sum of rewards, from 0 to 1.
        clip: largest magnitude that comes out, above 0.
        update_every: vector steps in a block, at least 1; first blocks are shorter.
        at_change: what becomes of the statistics at a change that `info` tells of; where copies
            change apart, "reset" forgets those of all.

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
        """Whether to look at what comes; without, nothing changes, also not at a change."""
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
        if self._at_change == "per-task":
            self._turn_to_tasks(info)
        return self._scaled(observations), info

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take a step, look at what came, and scale it."""
        observations, rewards, terminated, truncated, info = self.env.step(actions)
        final = info.get("final_obs")
        if self._at_change != "carry" and np.any(info.get(names.CHANGED, False)):
            if final is not None:
                info, final = {**info, "final_obs": self._scaled_final(final)}, None
            if self._at_change == "per-task":
                self._turn_to_tasks(info)
            elif self.training:
                self._forget()
        self._returns *= self._gamma
        self._returns += rewards
        if self.training:
            self._look(observations)
        if final is not None:
            info = {**info, "final_obs": self._scaled_final(final)}
        if "final_obs" in info:
            self._returns[terminated | truncated] = 0.0
        if self._scales[1]:
            factor = self._factor[..., -1]
            info = {**info, RAW_REWARD: rewards}
            rewards = np.minimum(np.maximum(rewards * factor, -self._clip), self._clip)
        return self._scaled(observations), rewards, terminated, truncated, info

    def get_statistics(self) -> Statistics:
        """Return what was learned of scales, as plain data.

        What has not been taken in yet is left out.
        """
        tables = list(self._tables.values())
        return {
            "tasks": [list(task) for task in self._tables],
            "count": np.array([one.count for one in tables], np.int64),
            "mean": np.array([one.mean for one in tables]),
            "squares": np.array([one.squares for one in tables]),
        }

    def set_statistics(self, statistics: Statistics) -> None:
        """Take over what was learned of scales elsewhere.

        Args:
            statistics: from `get_statistics`, of worlds with as many observations.

        Raises:
            SettingsError: they are of other observations.
        """
        width = self._block.shape[2]
        if np.shape(statistics["mean"])[1:] != (width,):
            there = np.shape(statistics["mean"])[1] - 1
            raise SettingsError(
                f"these statistics are of {there} numbers in an observation, not of {width - 1}"
            )
        self._forget()
        self._tables.clear()
        rows = zip(*(statistics[name] for name in ("count", "mean", "squares")), strict=True)
        for task, row in zip(statistics["tasks"], rows, strict=True):
            self._tables[tuple(map(float, task))] = table = Moments(width)
            table.join(int(row[0]), np.array(row[1]), np.array(row[2]))
        self._turn_to(self._of_copy)

    def freeze(self, statistics: Statistics) -> None:
        """Scale by what was learned elsewhere, and learn nothing: for evaluation.

        A task that was not met there is scaled by what was learned of all tasks together.

        Args:
            statistics: from `get_statistics`.
        """
        self.training = False
        self.set_statistics(statistics)

    def get_state(self) -> dict[str, Any]:
        """Return the statistics, and what they have not taken in yet."""
        return {
            **self.get_statistics(),
            "of_copy": [list(task) for task in self._of_copy],
            "block": self._block.copy(),
            "waiting": self._waiting,
            "patience": self._patience,
            "returns": self._returns.copy(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` returned."""
        self._of_copy = [tuple(map(float, task)) for task in state["of_copy"]]
        self.set_statistics(state)
        self._waiting, self._patience = state["waiting"], state["patience"]
        self._block, self._returns = np.array(state["block"]), np.array(state["returns"])

    def _forget(self) -> None:
        """Begin anew with one table for all copies."""
        self._tables: dict[Task, Moments] = {}
        self._waiting, self._patience = 0, 1
        self._turn_to(getattr(self, "_of_copy", [()] * self.num_envs))

    def _turn_to_tasks(self, info: dict[str, Any]) -> None:
        """Let each copy have the statistics of its task from now on."""
        context = info.get(names.CONTEXT, {})
        values = [context["task"]] if "task" in context else list(context.values())
        columns = [np.broadcast_to(value, self.num_envs).tolist() for value in values]
        tasks = [tuple(map(float, row)) for row in zip(*columns, strict=True)]
        tasks = tasks or [()] * self.num_envs
        if tasks == self._of_copy:
            return
        if self.training:
            self._take_in()
        self._turn_to(tasks)
        fresh = any(not self._tables[task].count for task in tasks if task in self._tables)
        self._patience = 1 if fresh else len(self._block)

    def _turn_to(self, tasks: list[Task]) -> None:
        self._of_copy = tasks
        if self.training:
            for task in tasks:
                if task not in self._tables:
                    self._tables[task] = Moments(self._block.shape[2])
        self._note_factors()

    def _note_factors(self) -> None:
        """Keep at hand what observations are scaled by: one row for all copies, or one for each."""
        whole = None
        found = []
        for task in dict.fromkeys(self._of_copy):
            if task not in self._tables and whole is None:
                whole = pooled(self._tables.values(), self._block.shape[2])
            found.append(self._tables.get(task, whole))
        tables = [one for one in found if one is not None]
        if len(tables) > 1:
            known = dict(zip(dict.fromkeys(self._of_copy), tables, strict=True))
            self._mean = np.array([known[task].mean for task in self._of_copy])
            self._factor = np.array([known[task].factor for task in self._of_copy])
        else:
            self._mean, self._factor = tables[0].mean, tables[0].factor

    def _look(self, observations: np.ndarray) -> None:
        row = self._block[self._waiting]
        row[:, :-1] = observations
        row[:, -1] = self._returns
        self._waiting += 1
        if self._waiting >= self._patience:
            self._take_in()
            self._patience = min(2 * self._patience, len(self._block))

    def _take_in(self) -> None:
        """Join what was seen since the last time with what was seen before, task by task."""
        seen, self._waiting = self._block[: self._waiting], 0
        if not len(seen):
            return
        for task in dict.fromkeys(self._of_copy):
            mine = [other == task for other in self._of_copy]
            rows = seen if all(mine) else seen[:, mine]
            self._tables[task].take_in(rows.reshape(-1, seen.shape[2]))
        self._note_factors()

    def _scaled(self, observations: np.ndarray) -> np.ndarray:
        if not self._scales[0]:
            return observations
        return self._scaled_by(observations, self._mean, self._factor)

    def _scaled_by(
        self, observations: np.ndarray, mean: np.ndarray, factor: np.ndarray
    ) -> np.ndarray:
        scaled = (observations - mean[..., :-1]) * factor[..., :-1]
        np.maximum(scaled, -self._clip, out=scaled)
        np.minimum(scaled, self._clip, out=scaled)
        return scaled.astype(observations.dtype, copy=False)

    def _scaled_final(self, final: np.ndarray) -> np.ndarray:
        scaled = final.copy()
        if not self._scales[0]:
            return scaled
        means = np.broadcast_to(self._mean, (self.num_envs, self._mean.shape[-1]))
        factors = np.broadcast_to(self._factor, means.shape)
        for copy, observation in enumerate(final):
            if observation is not None:
                scaled[copy] = self._scaled_by(observation, means[copy], factors[copy])
        return scaled
