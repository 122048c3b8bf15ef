"""How fast worlds are stepped, bare and while they change, by each back end.

Nothing heavy is imported here, so that the script can answer `--help` at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..settings import require
from ..terminal import print_table

if TYPE_CHECKING:
    from .rounds import Rounds

_LAYER_STEPS = 2_000
_DRAWN = 256


@dataclass(frozen=True)
class BenchmarkWorlds:
    """Measure steps per second of each back end, and what the stream layer costs.

    All candidates take turns in one process, and rounds in which the machine was disturbed are
    left out.
    """

    worlds: tuple[str, ...] = ("Ant-v5", "HalfCheetah-v5")
    """Gymnasium's ids of MuJoCo worlds."""

    rounds: int = 9
    """Undisturbed rounds to take medians of."""

    most_rounds: int = 60
    """Rounds after which to give up waiting for undisturbed ones."""

    copies: int = 8
    """Copies of the world."""

    threads: int = 2
    """Threads of envpool and of the native worlds."""

    steps: int = 100
    """Steps of all copies in a round."""

    change_every: int = 100
    """Steps of all copies between changes of friction."""

    only: tuple[str, ...] = ()
    """Candidates whose names hold one of these, and bare envpool; by default all."""

    output: Path | None = None
    """Where to write the record as JSON lines; by default it is printed only."""

    def run(self) -> None:
        """Measure and print.

        Raises:
            SettingsError: for a number out of range or a world that a back end lacks.
        """
        for name in ("rounds", "most_rounds", "copies", "threads", "steps", "change_every"):
            require(self, name, getattr(self, name) >= 1, "1 or more")
        from ...envs.native_mujoco import native_worlds
        from ...wrappers.errors import unknown

        for world in self.worlds:
            if world not in native_worlds():
                raise unknown("native world", world, native_worlds())
        benchmark_worlds(self)


def benchmark_worlds(settings: BenchmarkWorlds) -> list[dict[str, Any]]:
    """Measure, print, and write the record if one is asked for.

    Args:
        settings: what to measure.

    Returns:
        The record's rows.
    """
    from .candidates import candidates_of
    from .layer import layers
    from .rounds import write_record

    rows: list[dict[str, Any]] = []
    for world in settings.worlds:
        print(f"\n{world}, {settings.copies} copies, {settings.threads} threads")
        made = _chosen(candidates_of(world, settings), settings.only)
        rounds = _measure(settings, made, settings.steps)
        rows += _show(_world_rows(world, rounds, settings))
    print(f"\nthe stream layer around worlds that do nothing, {settings.copies} copies")
    made = layers(settings.copies, settings.change_every)
    rows += _show(_layer_rows(_measure(settings, made, _LAYER_STEPS)))
    if settings.output is not None:
        head = {"benchmark": "worlds", "settings": {**asdict(settings), "output": None}}
        write_record(settings.output, head, rows)
        print(f"\nrecord: {settings.output}")
    return rows


def _chosen(
    makers: dict[str, Callable[[], Any]], only: tuple[str, ...]
) -> dict[str, Callable[[], Any]]:
    from .candidates import BASIS

    return {
        name: make
        for name, make in makers.items()
        if not only or name == BASIS or any(part in name for part in only)
    }


def _measure(
    settings: BenchmarkWorlds, makers: Mapping[str, Callable[[], Any]], steps: int
) -> Rounds:
    """Make all worlds, and time them in turn."""
    from .rounds import machine_speed, run_rounds

    with ExitStack() as stack:
        stack.enter_context(_without_repeated_warnings())
        runs: dict[str, Callable[[], None]] = {}
        for name, make in makers.items():
            env = make()
            stack.callback(env.close)
            runs[name] = partial(_step, env, _actions(env, settings.copies), steps)
            env.reset()
        speed = partial(machine_speed, n_threads=settings.threads)
        return run_rounds(runs, settings.rounds, settings.most_rounds, speed)


@contextmanager
def _without_repeated_warnings() -> Iterator[None]:
    """Hold back what C writes to standard error: MuJoCo warns anew of each rebuilt pool's model."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _actions(env: Any, copies: int) -> list[Any]:
    """Draw actions before the clock runs, the same for all."""
    import numpy as np

    single = getattr(env, "single_action_space", env.action_space)
    generator = np.random.default_rng(0)
    shape = (_DRAWN, copies, *single.shape)
    return list(generator.uniform(single.low, single.high, shape).astype(single.dtype))


def _step(env: Any, actions: list[Any], steps: int) -> None:
    for i in range(steps):
        env.step(actions[i % _DRAWN])


def _world_rows(world: str, rounds: Rounds, settings: BenchmarkWorlds) -> list[dict[str, Any]]:
    from .candidates import BASIS

    steps = settings.steps * settings.copies

    def figures(name: str) -> dict[str, Any]:
        return {
            "world": world,
            "candidate": name,
            "steps_per_second": rounds.median(lambda took: steps / took[name].wall),
            "ratio_to_bare_envpool": rounds.median(lambda took: took[BASIS].wall / took[name].wall),
            "cpu_microseconds_a_step": rounds.median(lambda took: took[name].cpu / steps * 1e6),
            **_told_of(rounds),
        }

    return [figures(name) for name in sorted(rounds.candidates, key=lambda n: ("bare" not in n, n))]


def _layer_rows(rounds: Rounds) -> list[dict[str, Any]]:
    from .layer import NOTHING

    def figures(name: str) -> dict[str, Any]:
        cost = rounds.median(lambda took: took[name].wall - took[NOTHING].wall)
        return {
            "layer": name,
            "microseconds_a_vector_step": cost / _LAYER_STEPS * 1e6,
            **_told_of(rounds),
        }

    return [figures(name) for name in sorted(rounds.candidates) if name != NOTHING]


def _told_of(rounds: Rounds) -> dict[str, Any]:
    return {
        "rounds_accepted": len(rounds.accepted()),
        "rounds_rejected": len(rounds.rejected()),
        "machine_gflops": rounds.machine(),
    }


_HEADINGS = {
    "candidate": "worlds",
    "layer": "layer",
    "steps_per_second": "steps/s",
    "ratio_to_bare_envpool": "times bare envpool",
    "cpu_microseconds_a_step": "CPU us/step",
    "microseconds_a_vector_step": "us/vector step",
}


def _show(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Print rows as a table, and return them."""
    keys = [key for key in _HEADINGS if key in rows[0]]
    columns = [_HEADINGS[key] for key in keys]
    cells = [[_written(row[key]) for key in keys] for row in rows]
    print_table(columns, cells, right=columns[1:])
    if not rows[0]["rounds_accepted"]:
        print("No round was undisturbed: these figures, of all rounds, are worth little.")
    return rows


def _written(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value >= 1000 else f"{value:.2f}"
