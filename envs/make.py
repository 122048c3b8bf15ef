"""Where streams become worlds: one factory for each kind of environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

import gymnasium
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from ..wrappers.errors import SettingsError, unknown
from ..wrappers.non_stationary import NonStationary
from ..wrappers.settings import convert_settings, split_settings
from ..wrappers.vector_non_stationary import VectorNonStationary
from .catalogue import CATALOGUE
from .stream import Stream

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

Backend = Literal["auto", "gymnasium", "envpool"]
"""What steps the worlds; "auto" is the exact one, gymnasium."""


def make_stream(stream: str | Stream | Mapping[str, Any], **settings: Any) -> Stream:
    """Find a stream by its id.

    Args:
        stream: an id, an id with settings such as "everlearn/SlipperyAnt-v0:change_every=500", a
            stream's plain data, or a stream, which is returned as it is.
        **settings: settings of the stream, by name.

    Returns:
        The stream.

    Raises:
        SettingsError: for an unknown id or setting, or a value out of range.

    Example:
        >>> make_stream("everlearn/SlipperyAnt-v0", change_every=500).changes[0].schedule
        Periodic(period=500)
    """
    if not isinstance(stream, str):
        if settings:
            raise SettingsError("settings can be given to a stream's id only")
        return stream if isinstance(stream, Stream) else Stream.from_dict(stream)
    name, raw = split_settings(stream)
    if name not in CATALOGUE:
        raise unknown("stream", name, CATALOGUE)
    builder = CATALOGUE[name]
    return builder(**convert_settings(f"stream {name}", builder, {**raw, **settings}))


def make_env(
    stream: str | Stream | Mapping[str, Any],
    stream_seed: int | None = None,
    render_mode: str | None = None,
    **settings: Any,
) -> gymnasium.Env:
    """Make one copy of a stream's world; `gymnasium.make` comes here.

    Args:
        stream: see `make_stream`.
        stream_seed: decides what the changes draw. None: the seed of `reset(seed=...)`.
        render_mode: gymnasium's render mode.
        **settings: settings of the stream, by name.

    Returns:
        The world, changing in place.
    """
    described = make_stream(stream, **settings)
    return NonStationary(
        _make_world(described, render_mode),
        described.changes,
        seed=stream_seed,
        boundary_labels=described.boundary_labels,
    )


def make_vector_env(
    stream: str | Stream | Mapping[str, Any],
    num_envs: int = 1,
    backend: Backend = "auto",
    stream_seed: int | None = None,
    render_mode: str | None = None,
    **settings: Any,
) -> VectorEnv:
    """Make several copies of a stream's world that change together; `gymnasium.make_vec` does too.

    Args:
        stream: see `make_stream`.
        num_envs: number of copies, at least 1.
        backend: "gymnasium" steps the copies one after the other and changes them in place;
            "envpool" steps them in native threads and rebuilds them to change their physics, which
            truncates the episodes in progress; "auto" is "gymnasium".
        stream_seed: decides what the changes draw. None: the seed of `reset(seed=...)`.
        render_mode: gymnasium's render mode; envpool has none.
        **settings: settings of the stream, by name.

    Returns:
        A vector environment with same-step autoreset.

    Raises:
        SettingsError: for an unknown back end, or one that cannot make this world.
    """
    described = make_stream(stream, **settings)
    if backend not in get_args(Backend):
        raise unknown("world back end", str(backend), get_args(Backend))
    if num_envs < 1:
        raise SettingsError(f"the number of copies must be at least 1, not {num_envs}")
    if backend == "envpool":
        worlds = _make_envpool(described, num_envs, render_mode)
    else:
        worlds = SyncVectorEnv(
            [lambda: _make_world(described, render_mode) for _ in range(num_envs)],
            autoreset_mode=AutoresetMode.SAME_STEP,
        )
    return VectorNonStationary(
        worlds,
        described.changes,
        seed=stream_seed,
        boundary_labels=described.boundary_labels,
    )


def make_vec_env(
    stream: str | Stream | Mapping[str, Any],
    n_envs: int = 1,
    seed: int | None = None,
    backend: Backend = "auto",
    **settings: Any,
) -> VecEnv:
    """Make a stream's worlds for stable-baselines3.

    Args:
        stream: see `make_stream`.
        n_envs: number of copies, at least 1.
        seed: decides what the changes draw, and how the worlds' episodes begin.
        backend: see `make_vector_env`.
        **settings: settings of the stream, by name.

    Returns:
        A `VecEnv` that tells `info["episode"]` at each episode's end, as SB3's `Monitor` does.

    Example:
        >>> venv = make_vec_env("everlearn/SlipperyAnt-v0", n_envs=2, seed=0)
        >>> venv.reset().shape
        (2, 105)
        >>> venv.close()
    """
    from .vec_env import StreamVecEnv

    return StreamVecEnv(make_vector_env(stream, n_envs, backend, **settings), seed)


def _make_world(stream: Stream, render_mode: str | None) -> gymnasium.Env:
    # The checker of the outer `gymnasium.make` sees every call that one here would.
    return gymnasium.make(
        stream.world, render_mode=render_mode, disable_env_checker=True, **stream.world_settings
    )


def _make_envpool(stream: Stream, num_envs: int, render_mode: str | None) -> VectorEnv:
    from .envpool_worlds import EnvPoolWorlds

    if render_mode is not None or stream.world_settings:
        raise SettingsError("envpool takes neither a render mode nor settings of the world")
    return EnvPoolWorlds(stream.world, num_envs, [change.knob for change in stream.changes])
