"""A wrapper that changes all copies of a vectorised world while they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from .change import Change
from .engine import ContextSetter, Engine
from .errors import SettingsError
from .vector_info import merge_info, only_info


class VectorNonStationary(VectorWrapper):
    """Changes the copies of a world, by clocks that survive episode resets.

    The global clock counts the steps of all copies: with eight copies it moves by eight a step, and
    a change lands at the first step at or after its moment. Where the worlds must be rebuilt to
    change (envpool), the episodes in progress are truncated there, and `info["final_obs"]` holds
    their last observations.

    The scalar version is `NonStationary`, which says what a seed does.

    Args:
        env: a `SyncVectorEnv`, or a vector environment with a `set_context` of its own; its
            autoreset mode must be same-step, so that no step is ignored and the clock is true.
        changes: the changes, or the plain data that `Change.to_data` returned.
        seed: the stream's seed. None: the seed of `reset(seed=...)`, or a random one.
        boundary_labels: whether `info` tells the learner of changes under the key "boundary".

    Raises:
        SettingsError: for a knob that is unknown or that the world does not have, another
            autoreset mode, or a vector environment whose worlds cannot be reached.

    Example:
        >>> import gymnasium, everlearn.envs
        >>> env = gymnasium.make_vec("everlearn/SlipperyAnt-v0", num_envs=2, change_every=4)
        >>> _, info = env.reset(seed=0)
        >>> for _ in range(3):
        ...     print(info["segment"], info["steps_since_change"])
        ...     _, _, _, _, info = env.step(env.action_space.sample())
        [0 0] [0 0]
        [0 0] [2 2]
        [1 1] [0 0]

    Change logs:
        * v0.1.0 - Initially added
    """

    def __init__(
        self,
        env: VectorEnv,
        changes: Sequence[Change | Mapping[str, Any]],
        seed: int | None = None,
        boundary_labels: bool = False,
    ) -> None:
        super().__init__(env)
        if env.metadata.get("autoreset_mode") != AutoresetMode.SAME_STEP:
            raise SettingsError("VectorNonStationary needs worlds with same-step autoreset")
        self._engine = Engine(
            changes,
            _reachable(env),
            env.single_observation_space,
            env.single_action_space,
            env.num_envs,
            seed,
            boundary_labels,
        )
        if self._engine.alters_observations:
            self.single_observation_space = self._engine.observation_space
            self.observation_space = batch_space(self.single_observation_space, env.num_envs)

    @property
    def engine(self) -> Engine:
        """What does the changing; its state is the stream's, without that of the worlds."""
        return self._engine

    @property
    def clock(self) -> int:
        """Environment steps of all copies since this life began."""
        return 0 if self._engine.clockwork is None else self._engine.clockwork.clock

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in every copy; with a seed, begin the stream anew as well."""
        if options is not None and "reset_mask" in options:
            raise SettingsError("copies reset themselves here: reset_mask has no use")
        self._engine.start(seed[0] if isinstance(seed, Sequence) else seed)
        observations, info = self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]
        observations = self._engine.begin(observations, np.ones(self.num_envs, dtype=bool))
        return observations, {**info, **self._engine.truth()}

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take a step in the present context, then move to the next clock's."""
        observations, rewards, terminated, truncated, info = self.env.step(
            self._engine.act(actions)
        )
        ended = terminated | truncated
        last = observations
        if self._engine.alters_observations and ended.any():
            last = _replace(observations, ended, info["final_obs"])
        told = _step_info(info, ended) if self._engine.alters_rewards else info
        outcome = self._engine.finish(last, rewards, terminated, truncated, told)
        all_ended = terminated | outcome.truncated
        if all_ended.any():
            if self._engine.alters_observations:
                final = outcome.observations
            else:
                final = _replace(observations, ended, info.get("final_obs"))
            cut = all_ended & ~ended
            if cut.any() or outcome.rebuilt:
                observations, info = self._cut(observations, info, cut, outcome.rebuilt)
            first = self._engine.begin(observations, all_ended)
            observations = _replace(outcome.observations, all_ended, first)
            info = {**info, **_final_info(final, all_ended)}
        else:
            observations = outcome.observations
        info = {**info, **self._engine.truth()}
        return observations, outcome.rewards, terminated, outcome.truncated, info

    def _cut(
        self, observations: Any, info: dict[str, Any], cut: np.ndarray, rebuilt: bool
    ) -> tuple[Any, dict[str, Any]]:
        """Reset the copies whose episodes a change has cut, or all if the worlds are new."""
        begun = np.ones(self.num_envs, dtype=bool) if rebuilt else cut
        fresh, fresh_info = self.env.reset(options=None if rebuilt else {"reset_mask": cut})
        told = {key: value for key, value in info.items() if not key.endswith("final_info")}
        final = merge_info(info.get("final_info", {}), only_info(told, cut))
        told = merge_info(only_info(told, ~begun), only_info(fresh_info, begun))
        ended = cut | info.get("_final_info", np.zeros_like(cut))
        told |= {"final_info": final, "_final_info": ended}
        return _replace(observations, begun, fresh), told


def _step_info(info: dict[str, Any], ended: np.ndarray) -> dict[str, Any]:
    """Return what the step told, also in copies whose `info` is that of the reset after it."""
    final = info.get("final_info")
    if final is None:
        return info
    told = dict(info)
    for key, values in final.items():
        if isinstance(values, np.ndarray) and values.dtype != object and key[0] != "_":
            told[key] = np.where(ended, values, info.get(key, 0.0))
    return told


def _replace(batch: np.ndarray, which: np.ndarray, rows: Any) -> np.ndarray:
    """Return a copy of a batch, with some of its rows replaced."""
    replaced = batch.copy()
    for copy in np.flatnonzero(which):
        replaced[copy] = rows[copy]
    return replaced


def _final_info(final: np.ndarray, ended: np.ndarray) -> dict[str, np.ndarray]:
    """Tell the last observations as gymnasium's same-step autoreset does."""
    told = np.full(len(final), None, dtype=object)
    for copy in np.flatnonzero(ended):
        told[copy] = final[copy]
    return {"final_obs": told, "_final_obs": ended}


def _reachable(env: VectorEnv) -> ContextSetter | Sequence[gymnasium.Env]:
    world = env.unwrapped
    if isinstance(world, ContextSetter):
        return world
    if isinstance(world, SyncVectorEnv):
        return world.envs
    raise SettingsError(f"cannot change the worlds inside a {type(world).__name__}")
