"""Where streams become worlds: one factory for each kind of environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gymnasium
from gymnasium.vector import VectorEnv

from ..wrappers.errors import SettingsError, unknown
from ..wrappers.non_stationary import NonStationary
from ..wrappers.observe_context import ObserveContext, VectorObserveContext
from ..wrappers.settings import convert_settings, split_settings
from ..wrappers.vector_non_stationary import VectorNonStationary
from ..wrappers.vector_normalize import VectorNormalize
from .backends import Backend, make_scalar_world, make_worlds
from .catalogue import CATALOGUE
from .stream import Stream

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv


def make_stream(stream: str | Stream | Mapping[str, Any], **settings: Any) -> Stream:
    """Find a stream by its id.

    Args:
        stream: an id, an id with settings such as "everlearn/SlipperyAnt-v0:change_every=500", a
            stream's plain data, or a stream, which is returned as it is.
        **settings: settings of the stream, by name; "observed", "boundary_labels" and "frozen_at"
            are settings of every stream. The last is a global environment step in whose context
            the stream stays for ever, as `Stream.frozen` has it with seed 0.

    Returns:
        The stream.

    Raises:
        SettingsError: for an unknown id or setting, or a value out of range.

    Example:
        >>> make_stream("everlearn/SlipperyAnt-v0", change_every=500).changes[0].schedule
        Periodic(period=500)
        >>> alone = make_stream("everlearn/CW3-v0:steps_per_task=50_000,frozen_at=50_000")
        >>> [row.context for row in alone.table(10**6, seed=0)]
        [{'task': 1.0}]
    """
    if not isinstance(stream, str):
        if settings:
            raise SettingsError("settings can be given to a stream's id only")
        return stream if isinstance(stream, Stream) else Stream.from_dict(stream)
    name, raw = split_settings(stream)
    if name not in CATALOGUE:
        raise unknown("stream", name, CATALOGUE)
    builder = CATALOGUE[name]
    given = {**raw, **settings}
    shared = {key: given.pop(key) for key in ("observed", "boundary_labels") if key in given}
    frozen = {"frozen_at": given.pop("frozen_at")} if "frozen_at" in given else {}
    converted = convert_settings(f"stream {name}", builder, given)
    step = convert_settings(f"stream {name}", _frozen, frozen).get("frozen_at")
    if step is not None and step < 0:
        raise SettingsError(f"stream {name} setting 'frozen_at' must be 0 or more, not {step}")
    try:
        described = replace(builder(**converted), **shared)
        return described if step is None else described.frozen(step)
    except SettingsError as error:
        raise SettingsError(f"stream {name} cannot be: {error}") from error


def _frozen(frozen_at: int | None = None) -> None:
    """Say of what type the setting is."""


def make_env(
    stream: str | Stream | Mapping[str, Any],
    stream_seed: int | None = None,
    training: bool = True,
    render_mode: str | None = None,
    **settings: Any,
) -> gymnasium.Env:
    """Make one copy of a stream's world; `gymnasium.make` comes here.

    Args:
        stream: see `make_stream`.
        stream_seed: decides what the changes draw. None: the seed of `reset(seed=...)`.
        training: False withholds labels that the learner gets in training only.
        render_mode: gymnasium's render mode.
        **settings: settings of the stream, by name.

    Returns:
        The world, changing in place.
    """
    described = make_stream(stream, **settings)
    env: gymnasium.Env = NonStationary(
        make_scalar_world(described, render_mode),
        described.changes,
        seed=stream_seed,
        boundary_labels=_labelled(described, training),
    )
    if described.observed != "hidden":
        env = ObserveContext(env, described.observed, described.knobs, _n_tasks(described))
    return env


def make_vector_env(
    stream: str | Stream | Mapping[str, Any],
    num_envs: int = 1,
    backend: Backend = "auto",
    stream_seed: int | None = None,
    training: bool = True,
    render_mode: str | None = None,
    **settings: Any,
) -> VectorEnv:
    """Make several copies of a stream's world; `gymnasium.make_vec` comes here.

    Args:
        stream: see `make_stream`.
        num_envs: number of copies, at least 1.
        backend: what steps the worlds, see `everlearn.envs.backends`.
        stream_seed: decides what the changes draw. None: the seed of `reset(seed=...)`.
        training: False withholds labels that the learner gets in training only.
        render_mode: gymnasium's render mode; only the back end "gymnasium" has any.
        **settings: settings of the stream, by name.

    Returns:
        A vector environment with same-step autoreset.

    Raises:
        SettingsError: for an unknown back end, or one that cannot make this world.
    """
    described = make_stream(stream, **settings)
    if num_envs < 1:
        raise SettingsError(f"the number of copies must be at least 1, not {num_envs}")
    env: VectorEnv = VectorNonStationary(
        make_worlds(described, num_envs, backend, render_mode),
        described.changes,
        seed=stream_seed,
        boundary_labels=_labelled(described, training),
    )
    if described.observed != "hidden":
        env = VectorObserveContext(env, described.observed, described.knobs, _n_tasks(described))
    return env


def make_vec_env(
    stream: str | Stream | Mapping[str, Any],
    n_envs: int = 1,
    seed: int | None = None,
    backend: Backend = "auto",
    training: bool = True,
    normalize: bool | Mapping[str, Any] = False,
    **settings: Any,
) -> VecEnv:
    """Make a stream's worlds for stable-baselines3.

    Args:
        stream: see `make_stream`.
        n_envs: number of copies, at least 1.
        seed: decides what the changes draw, and how the worlds' episodes begin.
        backend: what steps the worlds, see `everlearn.envs.backends`.
        training: False withholds labels that the learner gets in training only.
        normalize: whether to scale observations and rewards, or settings of `VectorNormalize` to
            do so by; the returns that `info["episode"]` tells are unscaled in any case.
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

    worlds = make_vector_env(stream, n_envs, backend, training=training, **settings)
    if normalize is not False:
        worlds = VectorNormalize(worlds, **({} if normalize is True else normalize))
    return StreamVecEnv(worlds, seed)


def _labelled(stream: Stream, training: bool) -> bool:
    return stream.boundary_labels == "always" or (stream.boundary_labels == "training" and training)


def _n_tasks(stream: Stream) -> int:
    return len(stream.worlds) if len(stream.worlds) > 1 else 0
