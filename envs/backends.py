"""What steps the worlds of a stream: gymnasium, envpool, or our own threads on MuJoCo.

- "native": gymnasium's MuJoCo worlds, stepped by several threads, bit for bit as gymnasium does.
  Physics changes in place.
- "gymnasium": every world that gymnasium knows, one copy after the other. Physics changes in place.
- "envpool": envpool's worlds, stepped by several threads. Physics changes by new worlds: episodes
  in progress are truncated.

Rewards, observations and actions are changed in place on all of them. "auto" is "native" where it
knows the world, else "gymnasium" where that knows it, else "envpool".
"""

from __future__ import annotations

import warnings
from functools import cache, partial
from typing import Literal, get_args

import gymnasium
from gymnasium.envs.registration import load_env_creator
from gymnasium.error import DependencyNotInstalled
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from ..wrappers.errors import SettingsError, unknown
from ..wrappers.observe_context import TASK
from .stream import Stream

Backend = Literal["auto", "native", "gymnasium", "envpool"]
"""What steps the worlds."""


def make_worlds(
    stream: Stream, num_envs: int, backend: Backend, render_mode: str | None = None
) -> VectorEnv:
    """Make copies of a stream's worlds, without its changes.

    Args:
        stream: the stream.
        num_envs: number of copies, at least 1.
        backend: what steps them.
        render_mode: gymnasium's render mode.

    Returns:
        A vector environment with same-step autoreset. Where the stream has several worlds, the
        context's "task" says which one it is.

    Raises:
        SettingsError: for an unknown back end or world, or a back end that cannot make it.
    """
    if backend not in get_args(Backend):
        raise unknown("world back end", str(backend), get_args(Backend))
    factories = [
        partial(_make_one, stream, world, num_envs, backend, render_mode) for world in stream.worlds
    ]
    if len(factories) == 1:
        return factories[0]()
    from .task_worlds import TaskWorlds

    return TaskWorlds(factories, stream.worlds)


def make_scalar_world(stream: Stream, render_mode: str | None = None) -> gymnasium.Env:
    """Make one copy of a stream's world, without its changes.

    Args:
        stream: the stream.
        render_mode: gymnasium's render mode.

    Raises:
        SettingsError: for an unknown world.
    """
    if len(stream.worlds) == 1 and _in_gymnasium(stream.worlds[0]):
        return _make_gymnasium(stream, stream.worlds[0], render_mode)
    from .single_copy import SingleCopy

    if render_mode is not None:
        # SB3 asks for pictures whenever it makes a world by its id.
        warnings.warn(f"{stream.name} cannot render: render_mode is ignored", stacklevel=2)
    return SingleCopy(make_worlds(stream, 1, "auto"))


def _make_one(
    stream: Stream, world: str, num_envs: int, backend: Backend, render_mode: str | None
) -> VectorEnv:
    if backend == "auto":
        backend = choose_backend(world, render_mode)
    if backend == "gymnasium":
        if not _in_gymnasium(world):
            raise unknown("world of gymnasium", world, gymnasium.registry)
        return SyncVectorEnv(
            [partial(_make_gymnasium, stream, world, render_mode)] * num_envs,
            autoreset_mode=AutoresetMode.SAME_STEP,
        )
    if render_mode is not None:
        raise SettingsError(f"the back end {backend!r} cannot render: use 'gymnasium'")
    inside = [knob for knob in _inside(stream) if knob != TASK]
    if backend == "native":
        from .native_mujoco import NativeMujocoWorlds

        return NativeMujocoWorlds(world, num_envs, knobs=inside, **stream.world_settings)
    from .envpool_worlds import EnvPoolWorlds

    return EnvPoolWorlds(world, num_envs, inside, **stream.world_settings)


def choose_backend(world: str, render_mode: str | None = None) -> Backend:
    """Return what steps a world where nothing was asked for.

    Args:
        world: its id.
        render_mode: gymnasium's render mode.
    """
    from .native_mujoco import native_worlds

    if render_mode is None and world in native_worlds():
        return "native"
    return "gymnasium" if _in_gymnasium(world) else "envpool"


def _inside(stream: Stream) -> list[str]:
    """List the knobs that are inside the worlds, not between them and their agent."""
    from ..wrappers.interface import find_interface_knob

    return [knob for knob in stream.knobs if find_interface_knob(knob) is None]


@cache
def _in_gymnasium(world: str) -> bool:
    """Say whether gymnasium has a world and what it needs: LunarLander's Box2D is often missing."""
    spec = gymnasium.registry.get(world)
    if spec is None:
        return False
    try:
        load_env_creator(spec.entry_point) if isinstance(spec.entry_point, str) else None
    except (ImportError, DependencyNotInstalled):
        return False
    return True


def _make_gymnasium(stream: Stream, world: str, render_mode: str | None) -> gymnasium.Env:
    # The checker of the outer `gymnasium.make` sees every call that one here would.
    # Users' own worlds need not take a render mode.
    settings = {**stream.world_settings, "disable_env_checker": True}
    if render_mode is not None:
        settings["render_mode"] = render_mode
    return gymnasium.make(world, **settings)
