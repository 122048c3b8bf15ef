"""All that decides how an agent of stable-baselines3 learns on, as plain data."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.save_util import recursive_getattr
from stable_baselines3.common.vec_env import VecNormalize, unwrap_vec_normalize
from torch import nn

from ..learning_worlds import learning_worlds
from .replay import get_buffer_state, set_buffer_state
from .tree import CheckpointError

_VALUES = (
    "num_timesteps",
    "earlier_steps",
    "_n_updates",
    "_n_calls",
    "_episode_num",
    "_current_progress_remaining",
    "exploration_rate",
    "gradient_steps",
    "iteration",
    "_first_step",
    "_first_update",
    "_sums",
    "_before",
    "task_state",
    "_explores_until",
    "memories",
    "_last_obs",
    "_last_episode_starts",
    "_last_original_obs",
    "_last_lstm_states",
)
"""Counters, and where the last step ended."""

_BUFFERS = ("ep_info_buffer", "ep_success_buffer")
_PENDING = ("name_to_value", "name_to_count", "name_to_excluded")
_NORMALIZER = ("returns", "old_reward", "old_obs")


def describe_agent(agent: BaseAlgorithm) -> dict[str, Any]:
    """Return what must be the same in an agent that takes over another's state.

    Args:
        agent: the agent.
    """
    return {
        "class": type(agent).__name__,
        "copies": agent.n_envs,
        "observation_space": str(agent.observation_space),
        "action_space": str(agent.action_space),
        "methods": list(getattr(agent, "method_specs", [])),
    }


def require_same(agent: BaseAlgorithm, described: dict[str, Any]) -> None:
    """Raise unless an agent is of the kind described.

    Args:
        agent: the agent.
        described: from `describe_agent`.

    Raises:
        CheckpointError: naming the first difference.
    """
    for name, own in describe_agent(agent).items():
        other = described.get(name)
        if other != own:
            words = name.replace("_", " ")
            raise CheckpointError(
                f"the checkpoint does not fit the agent: its {words} is {other!r}, not {own!r}"
            )


def get_agent_state(agent: BaseAlgorithm) -> dict[str, Any]:
    """Return the whole state of an agent, between two iterations; the worlds have their own.

    Of a `Growing` replay buffer the rows are left out.

    Args:
        agent: the agent.
    """
    names, tensors = agent._get_torch_save_params()
    state: dict[str, Any] = {
        "networks": {name: recursive_getattr(agent, name).state_dict() for name in names},
        "tensors": {name: recursive_getattr(agent, name) for name in tensors},
        "values": {name: getattr(agent, name) for name in _VALUES if hasattr(agent, name)},
        "episodes": {name: _listed(getattr(agent, name, None)) for name in _BUFFERS},
        "methods": nn.ModuleList(getattr(agent, "methods", ())).state_dict(),
        "penalties": list(getattr(agent, "_penalties", [])),
        "generators": _get_generators(agent),
    }
    if getattr(agent, "ratio", None) is not None:
        state["ratio"] = agent.ratio.state_dict()  # type: ignore[attr-defined]
    if getattr(agent, "replay_buffer", None) is not None:
        state["replay"] = get_buffer_state(agent.replay_buffer)  # type: ignore[attr-defined]
    if hasattr(agent, "_logger"):
        state["pending"] = _get_pending(agent._logger)
    if (normalizer := _normalizer(agent)) is not None:
        state["normalizer"] = _get_normalizer(normalizer)
    if around := learning_worlds(agent.env):
        state["around"] = [one.get_state() for one in around]
    return state


def set_agent_state(
    agent: BaseAlgorithm, state: dict[str, Any], rows: Sequence[dict[str, Any]]
) -> None:
    """Put an agent into a state.

    Args:
        agent: built as that one was whose state it is.
        state: from `get_agent_state`.
        rows: the rows of its replay buffer, if that is a `Growing` one.
    """
    for name, own in state["networks"].items():
        recursive_getattr(agent, name).load_state_dict(own)
    for name, tensor in state["tensors"].items():
        recursive_getattr(agent, name).data.copy_(tensor)
    for name, value in state["values"].items():
        # Arrays of a checkpoint lie in its file.
        setattr(agent, name, _like(getattr(agent, name, None), deepcopy(value)))
    for name, episodes in state["episodes"].items():
        kept = None if episodes is None else deque(episodes, maxlen=agent._stats_window_size)
        setattr(agent, name, kept)
    nn.ModuleList(getattr(agent, "methods", ())).load_state_dict(state["methods"])
    if hasattr(agent, "_penalties"):
        agent._penalties[:] = state["penalties"]
    _set_extras(agent, state, rows)
    _set_generators(agent, state["generators"])


def _set_extras(
    agent: BaseAlgorithm, state: dict[str, Any], rows: Sequence[dict[str, Any]]
) -> None:
    """Bring back what only some agents have."""
    if "ratio" in state:
        agent.ratio.load_state_dict(state["ratio"])  # type: ignore[attr-defined]
    if "replay" in state:
        set_buffer_state(agent.replay_buffer, state["replay"], rows)  # type: ignore[attr-defined]
    if "pending" in state and hasattr(agent, "_logger"):
        for name in _PENDING:
            getattr(agent._logger, name).clear()
            getattr(agent._logger, name).update(state["pending"][name])
    if "normalizer" in state:
        _set_normalizer(_normalizer(agent), state["normalizer"])
    for one, own in zip(learning_worlds(agent.env), state.get("around", ()), strict=True):
        one.set_state(own)


def _get_pending(logger: Logger) -> dict[str, dict[str, Any]]:
    """Return the numbers that the next row of the log will hold."""
    names = [k for k, v in logger.name_to_value.items() if isinstance(v, (int, float, np.generic))]
    tables = {name: getattr(logger, name) for name in _PENDING}
    return {
        table: {name: values[name] for name in names if name in values}
        for table, values in tables.items()
    }


def _like(known: Any, value: Any) -> Any:
    """Return a value as one that is known: tensors on its device, tuples with its names."""
    if isinstance(known, torch.Tensor) and isinstance(value, torch.Tensor):
        return value.to(known.device)
    if isinstance(known, tuple) and isinstance(value, tuple):
        entries = [_like(one, other) for one, other in zip(known, value, strict=True)]
        return type(known)(*entries) if hasattr(known, "_fields") else tuple(entries)
    return value


def _listed(episodes: Any) -> list[Any] | None:
    return None if episodes is None else list(episodes)


def _get_generators(agent: BaseAlgorithm) -> dict[str, Any]:
    state = {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
        # It draws the actions before an off-policy agent begins to learn.
        "actions": agent.action_space.np_random.bit_generator.state,
    }
    if agent.device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def _set_generators(agent: BaseAlgorithm, state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    agent.action_space.np_random.bit_generator.state = state["actions"]
    if "cuda" in state:
        torch.cuda.set_rng_state_all(state["cuda"])


def _normalizer(agent: BaseAlgorithm) -> Any:
    return None if agent.env is None else unwrap_vec_normalize(agent.env)


def _get_normalizer(normalizer: VecNormalize) -> dict[str, Any]:
    # Asked of its own variables: it passes on what the VecEnv inside it has.
    own = vars(normalizer)
    state: dict[str, Any] = {name: own[name] for name in _NORMALIZER if name in own}
    for name in ("obs_rms", "ret_rms"):
        running = own.get(name)
        if isinstance(running, dict):
            state[name] = {key: dict(vars(one)) for key, one in running.items()}
        elif running is not None:
            state[name] = dict(vars(running))
    return state


def _set_normalizer(normalizer: Any, state: dict[str, Any]) -> None:
    for name, value in deepcopy(state).items():
        running: Any = vars(normalizer).get(name)
        if name in _NORMALIZER:
            setattr(normalizer, name, value)
        elif isinstance(running, dict):
            for key, one in running.items():
                one.__dict__.update(value[key])
        else:
            running.__dict__.update(value)
