"""The worlds that `scripts/benchmark.py worlds` times: by each back end, bare and changing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import envpool
import gymnasium
from gymnasium.vector import AsyncVectorEnv

from ...envs import Stream, make_env
from ...envs.backends import make_worlds
from ...envs.envpool_worlds import EnvPoolWorlds
from ...envs.native_mujoco import NativeMujocoWorlds
from ...envs.vec_env import StreamVecEnv
from ...wrappers.change import Change
from ...wrappers.schedules import Periodic
from ...wrappers.values import LogUniform
from ...wrappers.vector_non_stationary import VectorNonStationary

if TYPE_CHECKING:
    from .worlds import BenchmarkWorlds

BASIS = "envpool, bare"
"""The candidate that the others are compared with."""


def candidates_of(world: str, settings: BenchmarkWorlds) -> dict[str, Callable[[], Any]]:
    """Return, by name, what makes the copies of a world in each way.

    Args:
        world: gymnasium's id.
        settings: how many copies and threads, and how often to change.
    """
    copies, threads = settings.copies, settings.threads
    makers: dict[str, Callable[[], Any]] = {}
    # Processes first: they are forked, and must not inherit another's threads.
    makers["gymnasium async, bare"] = partial(
        gymnasium.make_vec, world, copies, vectorization_mode="async"
    )
    makers["gymnasium async, changing"] = partial(_changing_async, world, settings)
    makers["gymnasium sync, bare"] = partial(
        gymnasium.make_vec, world, copies, vectorization_mode="sync"
    )
    makers[BASIS] = partial(_bare_pool, world, copies, threads)
    makers["native, bare"] = partial(_worlds, "native", world, settings)
    for backend in ("gymnasium sync", "envpool", "native"):
        makers[f"{backend}, changing"] = partial(_changing, backend, world, settings)
        makers[f"{backend}, changing, SB3"] = partial(_for_sb3, backend, world, settings)
    return makers


def _stream(world: str, settings: BenchmarkWorlds, copies: int) -> Stream:
    # Around the world's own friction, so that contacts cost what they cost without changes.
    every = Periodic(settings.change_every * copies)
    return Stream(world, (world,), (Change("friction-scale", LogUniform(0.5, 2.0), every),))


def _bare_pool(world: str, copies: int, threads: int) -> Any:
    return envpool.make_gymnasium(world, num_envs=copies, num_threads=threads, seed=0)


def _changing_async(world: str, settings: BenchmarkWorlds) -> Any:
    make = partial(make_env, _stream(world, settings, copies=1), stream_seed=0)
    return AsyncVectorEnv([make] * settings.copies)


def _worlds(backend: str, world: str, settings: BenchmarkWorlds) -> Any:
    stream = _stream(world, settings, settings.copies)
    if backend == "native":
        return NativeMujocoWorlds(world, settings.copies, settings.threads, knobs=stream.knobs)
    if backend == "envpool":
        return EnvPoolWorlds(world, settings.copies, stream.knobs, settings.threads)
    return make_worlds(stream, settings.copies, "gymnasium")


def _changing(backend: str, world: str, settings: BenchmarkWorlds) -> Any:
    changes = _stream(world, settings, settings.copies).changes
    return VectorNonStationary(_worlds(backend, world, settings), changes, seed=0)


def _for_sb3(backend: str, world: str, settings: BenchmarkWorlds) -> Any:
    return StreamVecEnv(_changing(backend, world, settings), seed=0)
