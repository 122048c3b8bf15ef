"""One way to begin again: every vector environment's autoreset made same-step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from typing import Any, final

import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space, iterate

from ..wrappers.errors import SettingsError
from ..wrappers.vector_info import merge_info, only_info

Outcome = tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]
"""What a vector environment's `step` returns."""

Restart = Callable[[np.ndarray], tuple[Any, dict[str, Any]]]
"""Begins an episode in the copies of a mask; returns all copies' observations, and its info."""


@final
class SameStepAutoreset(VectorWrapper):
    """Begins each ended copy's next episode at once, whatever the worlds themselves would do.

    With next-step autoreset, the step after an episode's end ignores its action, and returns a
    reward that belongs to nothing. With autoreset disabled, somebody must not forget to reset. Here
    the ended copies alone are reset within the step that ended them: `observations` and `info` hold
    the new episodes' first, `info["final_obs"]` and `info["final_info"]` the old ones' last, as
    gymnasium's own same-step mode has it.

    A pool of `envpool.make_gymnasium` is taken as well. Its seed is the one that it was made with:
    envpool warns when `reset` gets another; `EnvPoolWorlds` takes seeds.

    Args:
        env: a vector environment of any autoreset mode; one that is same-step already stays as is.

    Raises:
        SettingsError: for a vector environment that does not tell its autoreset mode, an
            asynchronous pool, or an `AsyncVectorEnv` without shared memory and with next-step
            autoreset, whose workers would reset a second time.

    Example:
        >>> import gymnasium
        >>> worlds = SameStepAutoreset(gymnasium.make_vec("CartPole-v1", num_envs=2))
        >>> _ = worlds.reset(seed=0)
        >>> for _ in range(20):
        ...     observations, _, terminated, _, info = worlds.step(np.array([1, 1]))
        ...     if terminated[0]:
        ...         break
        >>> bool(abs(info["final_obs"][0][2]) > 0.2), bool(abs(observations[0][2]) < 0.05)
        (True, True)
        >>> worlds.close()
    """

    def __init__(self, env: VectorEnv) -> None:
        super().__init__(env)
        self._mode = env.metadata.get("autoreset_mode")
        if not isinstance(self._mode, AutoresetMode):
            raise SettingsError(f"{type(env).__name__} does not tell its autoreset mode")
        self._is_pool = hasattr(env, "all_env_ids")
        if self._is_pool:
            self._take_pool(env)
        elif self._mode == AutoresetMode.NEXT_STEP:
            _refuse_forgetful_workers(env)
        self.metadata = {**env.metadata, "autoreset_mode": AutoresetMode.SAME_STEP}

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in every copy."""
        observations, info = self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]
        return observations, clean_pool_info(info) if self._is_pool else info

    def step(self, actions: Any) -> Outcome:
        """Step every copy, and begin a new episode where one has ended."""
        observations, rewards, terminated, truncated, info = self.env.step(actions)
        if self._is_pool:
            info = clean_pool_info(info)
            rewards = rewards.astype(np.float64)
        elif self._mode == AutoresetMode.SAME_STEP:
            return observations, rewards, terminated, truncated, info
        outcome = observations, rewards, terminated, truncated, info
        return restart_ended(outcome, self.observation_space, partial(self._restart, observations))

    def _restart(self, observations: Any, ended: np.ndarray) -> tuple[Any, dict[str, Any]]:
        fresh, info = self.env.reset(options={"reset_mask": ended})
        if self._is_pool:
            return place_rows(fresh, clean_pool_info(info), ended, observations)
        return fresh, info

    def _take_pool(self, env: Any) -> None:
        if env.is_async:
            raise SettingsError("an envpool whose batch is smaller than the pool cannot be adapted")
        # A pool gives one copy's spaces where gymnasium gives those of all copies.
        self.observation_space = batch_space(env.single_observation_space, env.num_envs)
        self.action_space = batch_space(env.single_action_space, env.num_envs)


def restart_ended(outcome: Outcome, observation_space: Any, restart: Restart) -> Outcome:
    """Begin the next episode in the copies that a step has ended.

    Args:
        outcome: what the step returned.
        observation_space: the space of all copies' observations.
        restart: begins episodes; not called when no copy has ended.

    Returns:
        The outcome as same-step autoreset has it.
    """
    observations, rewards, terminated, truncated, info = outcome
    ended = terminated | truncated
    if not ended.any():
        return outcome
    final = np.full(len(ended), None, dtype=object)
    for i, observation in enumerate(iterate(observation_space, observations)):
        if ended[i]:
            final[i] = deepcopy(observation)
    fresh, fresh_info = restart(ended)
    told = merge_info(only_info(info, ~ended), only_info(fresh_info, ended))
    told["final_obs"], told["_final_obs"] = final, ended
    told["final_info"], told["_final_info"] = only_info(info, ended), ended
    return fresh, rewards, terminated, truncated, told


def clean_pool_info(info: dict[str, Any]) -> dict[str, Any]:
    """Drop envpool's book-keeping; keep what the world says.

    Atari's memory (`ram`) goes too: 128 numbers a copy and step that nobody asked for.

    Args:
        info: a pool's info.

    Returns:
        A new dictionary of the same arrays.
    """
    return {key: value for key, value in info.items() if key not in ("env_id", "players", "ram")}


def place_rows(
    rows: Any, info: dict[str, Any], mask: np.ndarray, observations: Any
) -> tuple[Any, dict[str, Any]]:
    """Put what a pool says of some copies to their places among all copies.

    Args:
        rows: observations of the copies of the mask alone.
        info: arrays with an entry for each of these copies.
        mask: which copies they are.
        observations: all copies' observations; these are overwritten.

    Returns:
        All copies' observations, and info as gymnasium has it, with a mask for each key.
    """
    placed: dict[str, Any] = {}
    for key, value in info.items():
        placed[key] = np.zeros((len(mask), *value.shape[1:]), dtype=value.dtype)
        placed[key][mask] = value
        placed[f"_{key}"] = mask
    _overwrite(observations, rows, mask)
    return observations, placed


def _overwrite(observations: Any, rows: Any, mask: np.ndarray) -> None:
    if isinstance(observations, dict):
        for key, entry in observations.items():
            _overwrite(entry, rows[key], mask)
    else:
        observations[mask] = rows


def _refuse_forgetful_workers(env: VectorEnv) -> None:
    world = env.unwrapped
    # Without shared memory, a worker that was reset by command still resets itself one step later.
    if isinstance(world, AsyncVectorEnv) and not world.shared_memory:
        raise SettingsError(
            "an AsyncVectorEnv without shared memory needs autoreset_mode same-step or disabled"
        )
