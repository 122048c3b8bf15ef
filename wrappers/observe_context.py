"""Wrappers that let the agent see what a stream is like: a flag, the context, or the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, final, get_args

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from . import info as names
from .errors import SettingsError, unknown

Observed = Literal["hidden", "flag", "context", "task"]
"""What an agent sees of the stream: nothing; whether the world has just changed; each knob's value;
or which task is on, one entry a task."""

TASK = "task"
"""The knob whose value is the index of a task."""


class _Appendix:
    """What is appended to a flat observation."""

    def __init__(
        self, space: spaces.Space, observed: str, knobs: Sequence[str], n_tasks: int
    ) -> None:
        if observed not in ("flag", "context", "task"):
            raise unknown("way to observe a stream", observed, get_args(Observed)[1:])
        if not isinstance(space, spaces.Box) or len(space.shape) != 1:
            raise SettingsError(f"a context can be appended to flat observations, not to {space}")
        if observed == "task" and n_tasks < 1:
            raise SettingsError("there is no task to be observed in a stream of one world")
        self._observed, self._knobs, self._n_tasks = observed, tuple(knobs), n_tasks
        size = {"flag": 1, "context": len(self._knobs), "task": n_tasks}[observed]
        bound = np.inf if observed == "context" else 1.0
        least = -np.inf if observed == "context" else 0.0
        self.space = spaces.Box(
            np.concatenate([space.low, np.full(size, least)]).astype(space.dtype),
            np.concatenate([space.high, np.full(size, bound)]).astype(space.dtype),
            dtype=space.dtype.type,
        )

    def rows(self, info: Mapping[str, Any], n_copies: int) -> np.ndarray:
        """Return the appendix of each copy, shape (n_copies, size)."""
        if self._observed == "flag":
            return np.reshape(info[names.CHANGED], (n_copies, 1)).astype(self.space.dtype)
        context = info[names.CONTEXT]
        if self._observed == "context":
            columns = [np.reshape(context[knob], n_copies) for knob in self._knobs]
            return np.stack(columns, axis=1).astype(self.space.dtype)
        tasks = np.reshape(context[TASK], n_copies).astype(int)
        return np.eye(self._n_tasks, dtype=self.space.dtype)[tasks]


@final
class ObserveContext(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Appends to each observation what a `NonStationary` below it tells in `info`.

    A vector version exists: `VectorObserveContext`.

    Args:
        env: a world with flat observations.
        observed: "flag" (1 just after a change, else 0), "context" (each knob's value) or "task"
            (1 at the task's index, else 0).
        knobs: the knobs, in the order in which their values are appended.
        n_tasks: number of tasks.

    Raises:
        SettingsError: for another `observed`, or observations that are not flat.

    Example:
        >>> import gymnasium, everlearn.envs
        >>> env = gymnasium.make("everlearn/SlipperyAnt-v0")
        >>> env = ObserveContext(env, "context", knobs=["friction"])
        >>> observation, info = env.reset(seed=0)
        >>> float(observation[-1]) == info["context"]["friction"]
        True

    Change logs:
        * v0.1.0 - Initially added
    """

    def __init__(
        self, env: gymnasium.Env, observed: str, knobs: Sequence[str] = (), n_tasks: int = 0
    ) -> None:
        RecordConstructorArgs.__init__(self, observed=observed, knobs=list(knobs), n_tasks=n_tasks)
        gymnasium.Wrapper.__init__(self, env)
        self._appendix = _Appendix(env.observation_space, observed, knobs, n_tasks)
        self.observation_space = self._appendix.space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._extend(observation, info), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take a step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._extend(observation, info), reward, terminated, truncated, info

    def _extend(self, observation: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        return np.concatenate([observation, self._appendix.rows(info, 1)[0]])


@final
class VectorObserveContext(VectorWrapper):
    """Appends to each copy's observation what a `VectorNonStationary` below it tells in `info`.

    The scalar version is `ObserveContext`, which says what the arguments are.

    Args:
        env: copies of a world with flat observations.
        observed: "flag", "context" or "task".
        knobs: the knobs, in the order in which their values are appended.
        n_tasks: number of tasks.

    Raises:
        SettingsError: for another `observed`, or observations that are not flat.

    Change logs:
        * v0.1.0 - Initially added
    """

    def __init__(
        self, env: VectorEnv, observed: str, knobs: Sequence[str] = (), n_tasks: int = 0
    ) -> None:
        super().__init__(env)
        self._appendix = _Appendix(env.single_observation_space, observed, knobs, n_tasks)
        self.single_observation_space = self._appendix.space
        self.observation_space = batch_space(self._appendix.space, env.num_envs)

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in every copy."""
        observations, info = self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]
        rows = self._appendix.rows(info, self.num_envs)
        return np.concatenate([observations, rows], axis=1), info

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take a step in every copy."""
        observations, rewards, terminated, truncated, info = self.env.step(actions)
        rows = self._appendix.rows(info, self.num_envs)
        if "final_obs" in info:
            final = info["final_obs"].copy()
            for copy in np.flatnonzero(terminated | truncated):
                final[copy] = np.concatenate([final[copy], rows[copy]])
            info = {**info, "final_obs": final}
        extended = np.concatenate([observations, rows], axis=1)
        return extended, rewards, terminated, truncated, info
