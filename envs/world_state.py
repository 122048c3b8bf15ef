"""The state of worlds, where there is a way to read it and to put it back exactly."""

from __future__ import annotations

import types
from copy import deepcopy
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import SyncVectorEnv, VectorEnv

from ..wrappers.errors import SettingsError
from .backends import Backend, choose_backend
from .stream import Stream

_FAMILIES = (
    "gymnasium.envs.classic_control",
    "gymnasium.envs.mujoco",
    "gymnasium.envs.toy_text",
    "everlearn.envs",
)
"""Where gymnasium worlds come from whose state is in their attributes and MuJoCo's data."""

_PHYSICS = mujoco.mjtState.mjSTATE_INTEGRATION

_DERIVED = (
    "xpos",
    "xquat",
    "xmat",
    "xipos",
    "ximat",
    "geom_xpos",
    "geom_xmat",
    "site_xpos",
    "site_xmat",
    "subtree_com",
    "cinert",
    "cvel",
    "cacc",
    "cfrc_int",
    "cfrc_ext",
    "qfrc_actuator",
    "actuator_force",
    "sensordata",
)
"""What worlds read of MuJoCo's data before the next step: not a function of the physics' state."""

_REBUILT = {"env", "model", "mujoco_renderer", "_saved_kwargs", "_cached_spec"}
_CONSTANT = (gymnasium.Space, EnvSpec, types.FunctionType, types.BuiltinFunctionType, type)
_PLAIN = (bool, int, float, str, bytes, np.generic, type(None))


def keeps_state(stream: Stream, backend: Backend) -> bool:
    """Tell whether a stream's worlds can be put back into a state, before they are made.

    Args:
        stream: the stream.
        backend: what steps its worlds.

    Example:
        >>> from everlearn.envs import make_stream
        >>> ant = make_stream("everlearn/SlipperyAnt-v0")
        >>> keeps_state(ant, "native"), keeps_state(ant, "envpool")
        (True, False)
    """
    if len(stream.worlds) != 1:
        return False
    chosen = choose_backend(stream.worlds[0]) if backend == "auto" else backend
    if chosen == "gymnasium":
        return _is_known(gymnasium.registry.get(stream.worlds[0]))
    return chosen == "native"


def worlds_keep_state(worlds: VectorEnv) -> bool:
    """Tell whether worlds can be put back into a state.

    Args:
        worlds: without wrappers.
    """
    if isinstance(worlds, SyncVectorEnv):
        return all(_is_known(env.spec) for env in worlds.envs)
    return hasattr(worlds, "get_state")


def get_worlds_state(worlds: VectorEnv) -> Any:
    """Return the state of all copies as plain data, or None where they keep none.

    Args:
        worlds: without wrappers, between two steps.

    Raises:
        SettingsError: for a world that holds something of which no copy can be made.
    """
    if not worlds_keep_state(worlds):
        return None
    if isinstance(worlds, SyncVectorEnv):
        return [[_get_layer(layer) for layer in _layers(env)] for env in worlds.envs]
    return worlds.get_state()  # type: ignore[attr-defined]


def set_worlds_state(worlds: VectorEnv, state: Any) -> None:
    """Put all copies back into a state.

    Args:
        worlds: made as those were whose state it is.
        state: from `get_worlds_state`.
    """
    if not isinstance(worlds, SyncVectorEnv):
        worlds.set_state(state)  # type: ignore[attr-defined]
        return
    for env, layers in zip(worlds.envs, state, strict=True):
        for layer, own in zip(_layers(env), layers, strict=True):
            _set_layer(layer, own)


def _is_known(spec: EnvSpec | None) -> bool:
    entry = spec.entry_point if spec is not None else None
    return isinstance(entry, str) and entry.startswith(_FAMILIES)


def _layers(env: gymnasium.Env) -> list[gymnasium.Env]:
    layers = [env]
    while isinstance(layers[-1], gymnasium.Wrapper):
        layers.append(layers[-1].env)
    return layers


def _get_layer(env: gymnasium.Env) -> dict[str, Any]:
    state: dict[str, Any] = {"values": {}, "generators": {}}
    for name, value in vars(env).items():
        if name in _REBUILT or isinstance(value, _CONSTANT):
            continue
        if isinstance(value, np.random.Generator):
            state["generators"][name] = deepcopy(value.bit_generator.state)
        elif isinstance(value, mujoco.MjData):
            state["physics"] = _get_physics(env)
        elif _is_plain(value):
            state["values"][name] = deepcopy(value)
        else:
            raise SettingsError(
                f"cannot keep the state of a {type(env).__name__}: its attribute {name!r} is a "
                f"{type(value).__name__}"
            )
    return state


def _set_layer(env: gymnasium.Env, state: dict[str, Any]) -> None:
    for name, value in state["values"].items():
        setattr(env, name, deepcopy(value))
    for name, value in state["generators"].items():
        generator = np.random.Generator(np.random.PCG64(0))
        generator.bit_generator.state = value
        setattr(env, name, generator)
    if "physics" in state:
        _set_physics(env, state["physics"])


def _get_physics(env: Any) -> dict[str, np.ndarray]:
    row = np.empty(mujoco.mj_stateSize(env.model, _PHYSICS))
    mujoco.mj_getState(env.model, env.data, row, _PHYSICS)
    return {"state": row, **{name: getattr(env.data, name).copy() for name in _DERIVED}}


def _set_physics(env: Any, state: dict[str, np.ndarray]) -> None:
    mujoco.mj_setState(env.model, env.data, state["state"], _PHYSICS)
    for name in _DERIVED:
        getattr(env.data, name)[:] = state[name]


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, _PLAIN) and _is_plain(entry) for key, entry in value.items())
    if isinstance(value, (list, tuple)):
        return all(_is_plain(entry) for entry in value)
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biufSU"
    return isinstance(value, _PLAIN)
