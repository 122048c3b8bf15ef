"""A gymnasium vector environment as a stable-baselines3 `VecEnv`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv, VectorWrapper
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvObs, VecEnvStepReturn

from ..wrappers.engine import Engine
from ..wrappers.errors import SettingsError
from ..wrappers.info import TRUTH
from ..wrappers.vector_non_stationary import VectorNonStationary
from ..wrappers.vector_normalize import RAW_REWARD, VectorNormalize
from .world_state import get_worlds_state, set_worlds_state, worlds_keep_state


class StreamVecEnv(VecEnv):
    """What stable-baselines3 trains on.

    Each step's `infos` hold the world's own entries and the truth about the stream; at an episode's
    end also SB3's `terminal_observation`, `TimeLimit.truncated` and `episode`.

    Args:
        env: a vector environment with same-step autoreset.
        seed: seed of the first reset. None: random.

    Raises:
        SettingsError: for another autoreset mode.
    """

    def __init__(self, env: VectorEnv, seed: int | None = None) -> None:
        if env.metadata.get("autoreset_mode") != AutoresetMode.SAME_STEP:
            raise SettingsError("StreamVecEnv needs a vector environment with same-step autoreset")
        self._env = env
        self._actions: np.ndarray
        self._returns = np.zeros(env.num_envs)
        self._lengths = np.zeros(env.num_envs, dtype=np.int64)
        self._started = time.time()
        self._last_nested: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {}
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self.seed(seed)

    def reset(self) -> VecEnvObs:
        """Begin an episode in every copy."""
        first_seed = self._seeds[0]
        observations, info = self._env.reset(seed=first_seed)
        self._reset_seeds()
        self._reset_options()
        self._returns[:] = 0
        self._lengths[:] = 0
        self.reset_infos = self._infos(info)
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Take the step."""
        observations, rewards, terminated, truncated, info = self._env.step(self._actions)
        dones = terminated | truncated
        self._returns += info.get(RAW_REWARD, rewards)
        self._lengths += 1
        final_observations = info.pop("final_obs", None)
        infos = self._infos(info)
        if dones.any():
            self._tell_endings(infos, info.get("final_info", {}), dones)
        for i in np.flatnonzero(dones):
            infos[i]["terminal_observation"] = final_observations[i]
            infos[i]["TimeLimit.truncated"] = bool(truncated[i] and not terminated[i])
            infos[i]["episode"] = {
                "r": float(self._returns[i]),
                "l": int(self._lengths[i]),
                "t": round(time.time() - self._started, 6),
            }
        self._returns[dones] = 0
        self._lengths[dones] = 0
        return observations, rewards.astype(np.float32), dones, infos

    @property
    def normalization(self) -> VectorNormalize | None:
        """What scales observations and rewards here, if anything does."""
        return next((one for one in self._wrappers() if isinstance(one, VectorNormalize)), None)

    @property
    def engine(self) -> Engine:
        """What changes the worlds.

        Raises:
            AttributeError: nothing does.
        """
        for one in self._wrappers():
            if isinstance(one, VectorNonStationary):
                return one.engine
        raise AttributeError("nothing changes these worlds")

    @property
    def keeps_state(self) -> bool:
        """Whether `set_state` brings the worlds back, and not only the clocks of the stream."""
        return worlds_keep_state(self._env.unwrapped)

    def get_state(self) -> dict[str, Any]:
        """Return the state of the stream and of its worlds, as plain data, between two steps.

        Worlds that keep no state are None in it.
        """
        return {
            "layers": [layer.get_state() for layer in self._layers()],
            "worlds": get_worlds_state(self._env.unwrapped),
            "returns": self._returns.copy(),
            "lengths": self._lengths.copy(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` returned; `reset_infos` tell where the stream stands.

        Where the worlds keep no state, `prepare_anew` must follow.

        Args:
            state: of worlds that were made in the same way.
        """
        for layer, own in zip(self._layers(), state["layers"], strict=True):
            layer.set_state(own)
            if isinstance(layer, Engine):
                self.reset_infos = self._infos(layer.truth())
        if state["worlds"] is not None:
            set_worlds_state(self._env.unwrapped, state["worlds"])
        self._returns[:] = state["returns"]
        self._lengths[:] = state["lengths"]
        self._reset_seeds()

    def prepare_anew(self, seed: int | Sequence[int]) -> None:
        """Seed the worlds anew for the `reset` that must follow; the stream's clocks go on.

        What was left of the episodes in progress is dropped.

        Args:
            seed: decides all that the worlds draw from now on; one for each copy, or the first is
                taken for all where worlds cannot be told apart (envpool).
        """
        self._env.unwrapped.reset(seed=seed)  # type: ignore[arg-type]
        self._reset_seeds()

    def close(self) -> None:
        """Close the worlds."""
        self._env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Read an attribute of each world, or of the vector environment where it has it."""
        singles = self._singles()
        if singles is not None and not hasattr(self._env, attr_name):
            return [singles[i].get_wrapper_attr(attr_name) for i in self._get_indices(indices)]
        return [getattr(self._env, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of each world; worlds that cannot be reached refuse.

        Raises:
            AttributeError: if the worlds are native, or have no such attribute.
        """
        singles = self._require_singles(attr_name)
        for i in self._get_indices(indices):
            if not singles[i].set_wrapper_attr(attr_name, value, force=False):
                raise AttributeError(f"no world or wrapper has an attribute {attr_name!r}")

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of each world; worlds that cannot be reached refuse.

        Raises:
            AttributeError: if the worlds are native, or have no such method.
        """
        singles = self._require_singles(method_name)
        return [
            singles[i].get_wrapper_attr(method_name)(*method_args, **method_kwargs)
            for i in self._get_indices(indices)
        ]

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """Answer yes for SB3's `Monitor`, whose work is done here."""
        return [issubclass(wrapper_class, Monitor) for _ in self._get_indices(indices)]

    def _layers(self) -> list[Any]:
        """List what remembers anything between the agent and the worlds, the outermost first."""
        layers: list[Any] = []
        for env in self._wrappers():
            if isinstance(env, VectorNonStationary):
                layers.append(env.engine)
            # Asked of the class: a wrapper passes on what the worlds inside it have.
            elif hasattr(type(env), "get_state"):
                layers.append(env)
        return layers

    def _wrappers(self) -> Iterator[VectorWrapper]:
        """Yield what is around the worlds, the outermost first."""
        env: Any = self._env
        while isinstance(env, VectorWrapper):
            yield env
            env = env.env

    def _singles(self) -> Sequence[Any] | None:
        world = self._env.unwrapped
        return world.envs if isinstance(world, SyncVectorEnv) else None

    def _require_singles(self, name: str) -> Sequence[Any]:
        singles = self._singles()
        if singles is None:
            raise AttributeError(f"cannot reach {name!r} inside native worlds")
        return singles

    def _tell_endings(
        self, infos: list[dict[str, Any]], final_info: dict[str, Any], dones: np.ndarray
    ) -> None:
        """Tell of ended copies what their last step said; what their reset said stands apart."""
        last = self._infos(final_info)
        for i in np.flatnonzero(dones):
            self.reset_infos[i] = infos[i]
            truth = {key: infos[i][key] for key in TRUTH if key in infos[i]}
            infos[i] = {**truth, **last[i]} if last[i] else dict(infos[i])

    def _infos(self, info: dict[str, Any]) -> list[dict[str, Any]]:
        """Turn a dictionary of arrays into a dictionary for each copy."""
        columns = {}
        partial = {}
        for key, values in info.items():
            if key[0] == "_" or key == "final_info":
                continue
            mask = info.get(f"_{key}")
            if isinstance(values, dict):
                columns[key] = self._nested(key, values)
            elif mask is None or mask.all():
                columns[key] = values.tolist() if isinstance(values, np.ndarray) else values
            else:
                partial[key] = values
        names = tuple(columns)
        infos = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        infos = infos or [{} for _ in range(self.num_envs)]
        for key, values in partial.items():
            for i in np.flatnonzero(info[f"_{key}"]):
                infos[i][key] = values[i]
        return infos

    def _nested(self, key: str, values: dict[str, Any]) -> list[dict[str, Any]]:
        """Turn an entry that is a dictionary itself; while it stays the same, so do the results."""
        known, entries = self._last_nested.get(key, (None, []))
        if (
            known is None
            or known.keys() != values.keys()
            or any(known[name] is not entry for name, entry in values.items())
        ):
            entries = self._infos(values)
            self._last_nested[key] = (values, entries)
        return entries
