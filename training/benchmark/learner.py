"""How fast PPO and SAC learn, by each back end and beside what others offer.

Nothing heavy is imported here, so that the script can answer `--help` at once.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from ...wrappers.errors import SettingsError
from ..settings import require
from ..terminal import print_table

ROLLOUT = 2048
"""Transitions in a rollout, over all copies."""

SB3 = "stable-baselines3"
"""What the others are compared with."""

SBX = "SBX"
"""stable-baselines3's sibling on JAX, where it is asked for."""

CLEANRL = "CleanRL's manner"
"""One straightforward torch loop, see `everlearn.training.benchmark.cleanrl`."""

COMPILED = "compiled"
"""What continual backprop is compared with."""


class Shape(NamedTuple):
    """Sizes of an update."""

    name: str
    inputs: int
    actions: int
    width: int
    batch_size: int
    discrete: bool = False

    @property
    def operations(self) -> float:
        """Floating-point operations for one transition in one gradient step.

        Two for each weight in each of three products: outputs, and gradients of weights and inputs.
        """
        hidden = self.inputs * self.width + self.width**2
        return 6 * (2 * hidden + self.width * (self.actions + 1))


SHAPES = (
    Shape("HalfCheetah, 2 x 64 tanh, minibatch 64", 17, 6, 64, 64),
    Shape("Ant, 2 x 64 tanh, minibatch 64", 105, 8, 64, 64),
    Shape("CartPole, 2 x 64 tanh, minibatch 64", 4, 2, 64, 64, discrete=True),
    Shape("Ant, 2 x 256 relu, minibatch 128", 105, 8, 256, 128),
)

Part = Literal["update", "worlds", "sac"]
"""What can be measured: PPO's update alone, PPO end to end, and SAC end to end."""


@dataclass(frozen=True)
class BenchmarkLearner:
    """Measure PPO's update, and PPO and SAC end to end.

    All candidates take turns on the same cores, and rounds in which the machine was disturbed are
    left out. The back ends must agree on the parameters first.
    """

    rounds: int = 5
    """Undisturbed rounds to take medians of."""

    most_rounds: int = 15
    """Rounds after which to give up waiting for undisturbed ones."""

    parts: tuple[Part, ...] = get_args(Part)
    """What to measure: PPO's update alone, PPO end to end, SAC end to end."""

    n_epochs: int = 10
    """Passes over a rollout of 2048 transitions."""

    worlds: tuple[str, ...] = ("HalfCheetah-v5", "Ant-v5", "CartPole-v1")
    """Gymnasium's ids of worlds for PPO to learn in, end to end."""

    copies: int = 8
    """Copies of a world for PPO."""

    replay_ratios: tuple[int, ...] = (1, 4, 8)
    """SAC's gradient steps for each step of the world."""

    sac_threads: tuple[int, ...] = (1, 2)
    """Threads for SAC, each on a core of its own; PPO has one."""

    sbx_python: str | None = None
    """A Python that has sbx-rl; without it SBX is left out."""

    output: Path | None = None
    """Where to write the record as JSON lines; by default it is printed only."""

    def run(self) -> None:
        """Measure and print.

        Raises:
            SettingsError: for a number out of range, an unknown world, or a Python that there is
                not.
        """
        for name in ("rounds", "most_rounds", "n_epochs", "copies", "replay_ratios", "sac_threads"):
            value = getattr(self, name)
            least = min(value if isinstance(value, tuple) else (value,), default=1)
            require(self, name, least >= 1, "1 or more")
        if self.sbx_python is not None and shutil.which(self.sbx_python) is None:
            raise SettingsError(f"--sbx-python must be a program, not {self.sbx_python}")
        import gymnasium

        from ...wrappers.errors import unknown

        for world in self.worlds:
            if world not in gymnasium.registry:
                raise unknown("world", world, gymnasium.registry)
        benchmark_learner(self)


def benchmark_learner(settings: BenchmarkLearner) -> list[dict[str, Any]]:
    """Measure, print, and write the record if one is asked for.

    Args:
        settings: what to measure.

    Returns:
        The record's rows.
    """
    from .learner_rows import sac_rows, update_rows, world_rows
    from .rounds import write_record

    rows: list[dict[str, Any]] = []
    # Most threads first: a thread stays on the cores on which it was born.
    for threads in sorted(settings.sac_threads if "sac" in settings.parts else (), reverse=True):
        if not hold_cores(threads):
            print(f"\nSAC with {threads} threads is left out: there are fewer cores")
            continue
        print(f"\nSAC: 2 x 256 relu, batch 256, {threads} threads on as many cores")
        for told in sac_rows(threads, settings):
            rows += _show(told)
    hold_cores(1)
    if "update" in settings.parts:
        for shape in SHAPES:
            print(f"\nPPO's update: {shape.name}, {settings.n_epochs} epochs of {ROLLOUT}")
            rows += _show(update_rows(shape, settings))
    for world in settings.worlds if "worlds" in settings.parts else ():
        print(f"\nPPO end to end: {world}, {settings.copies} copies, 2 x 64 tanh, minibatch 64")
        rows += _show(world_rows(world, settings))
    if settings.output is not None:
        head = {"benchmark": "learner", "settings": {**asdict(settings), "output": None}}
        write_record(settings.output, head, rows)
        print(f"\nrecord: {settings.output}")
    return rows


def hold_cores(threads: int) -> bool:
    """Let this thread, those it starts from now on and their programs use so many cores.

    Args:
        threads: how many; torch gets as many threads.

    Returns:
        False if there are fewer cores, and nothing was done.
    """
    import torch

    if hasattr(os, "sched_setaffinity"):
        cores = sorted(_CORES or os.sched_getaffinity(0))
        _CORES.update(cores)
        if len(cores) < threads:
            return False
        os.sched_setaffinity(0, cores[-threads:])
    torch.set_num_threads(threads)
    return True


_CORES: set[int] = set()
"""What this process might use at first."""


def _show(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    left_out = ("measured", "shape", "world", "threads")
    columns = [name for name in rows[0] if name not in left_out]
    cells = [[_written(row[name]) for name in columns] for row in rows]
    print_table([name.replace("_", " ") for name in columns], cells)
    if not rows[0]["rounds"]:
        print("No round was undisturbed: these figures, of all rounds, are worth little.")
    return rows


def _written(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
