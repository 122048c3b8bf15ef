"""How fast PPO learns, by each back end and beside stable-baselines3.

Nothing heavy is imported here, so that the script can answer `--help` at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..wrappers.errors import SettingsError
from .terminal import print_table

if TYPE_CHECKING:
    from .benchmark_rounds import Rounds

ROLLOUT = 2048
"""Transitions in a rollout, over all copies."""

SB3 = "stable-baselines3"
"""What the others are compared with."""

COMPILED = "compiled"
"""What continual backprop is compared with."""


class Shape(NamedTuple):
    """Sizes of an update."""

    name: str
    inputs: int
    actions: int
    width: int
    batch_size: int

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
    Shape("Ant, 2 x 256 relu, minibatch 128", 105, 8, 256, 128),
)


@dataclass(frozen=True)
class BenchmarkLearner:
    """Measure PPO's update and PPO end to end, each on one thread.

    All candidates take turns in one process, and rounds in which the machine was disturbed are
    left out. The back ends must agree on the gradients first.
    """

    rounds: int = 7
    """Undisturbed rounds to take medians of."""

    most_rounds: int = 30
    """Rounds after which to give up waiting for undisturbed ones."""

    n_epochs: int = 10
    """Passes over a rollout of 2048 transitions."""

    worlds: tuple[str, ...] = ("HalfCheetah-v5",)
    """Gymnasium's ids of MuJoCo worlds to learn in, end to end."""

    copies: int = 8
    """Copies of a world."""

    output: Path | None = None
    """Where to write the record as JSON lines; by default it is printed only."""

    def run(self) -> None:
        """Measure and print.

        Raises:
            SettingsError: for a number out of range.
        """
        for name in ("rounds", "most_rounds", "n_epochs", "copies"):
            if getattr(self, name) < 1:
                flag = name.replace("_", "-")
                raise SettingsError(f"--{flag} must be 1 or more, not {getattr(self, name)}")
        benchmark_learner(self)


def benchmark_learner(settings: BenchmarkLearner) -> list[dict[str, Any]]:
    """Measure, print, and write the record if one is asked for.

    Args:
        settings: what to measure.

    Returns:
        The record's rows.
    """
    import torch

    from .benchmark_rounds import write_record

    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for shape in SHAPES:
        print(f"\nPPO's update: {shape.name}, {settings.n_epochs} epochs of {ROLLOUT}")
        rows += _show(_update_rows(shape, settings))
    for world in settings.worlds:
        print(f"\nPPO end to end: {world}, {settings.copies} copies, 2 x 64 tanh, minibatch 64")
        rows += _show(_world_rows(world, settings))
    if settings.output is not None:
        head = {"benchmark": "learner", "settings": {**asdict(settings), "output": None}}
        write_record(settings.output, head, rows)
        print(f"\nrecord: {settings.output}")
    return rows


def _update_rows(shape: Shape, settings: BenchmarkLearner) -> list[dict[str, Any]]:
    from .benchmark_ppo import agreement, update_candidates

    agents = update_candidates(shape, settings.n_epochs)
    errors = {name: agreement(agents[SB3], agent) for name, agent in agents.items()}
    rounds = _measure({name: agent.train for name, agent in agents.items()}, settings)
    n_steps = settings.n_epochs * ROLLOUT / shape.batch_size
    operations = shape.operations * settings.n_epochs * ROLLOUT

    def figures(name: str) -> dict[str, Any]:
        return {
            "measured": "update",
            "shape": shape.name,
            "candidate": name,
            "microseconds_a_minibatch": rounds.median(lambda took: took[name].wall / n_steps * 1e6),
            "ratio_to_sb3": rounds.median(lambda took: took[SB3].wall / took[name].wall),
            "cpu_ratio_to_sb3": rounds.median(lambda took: took[SB3].cpu / took[name].cpu),
            "cost_over_compiled": rounds.median(
                lambda took: took[name].cpu / took[COMPILED].cpu - 1
            ),
            "gflops": rounds.median(lambda took: operations / took[name].wall / 1e9),
            "error_of_parameters": errors[name],
            **_told_of(rounds),
        }

    return [figures(name) for name in agents]


def _world_rows(world: str, settings: BenchmarkLearner) -> list[dict[str, Any]]:
    from .benchmark_ppo import world_candidates

    with ExitStack() as stack:
        agents = world_candidates(world, settings.copies, settings.n_epochs, stack)
        runs = {
            name: partial(agent.learn, ROLLOUT, reset_num_timesteps=False)
            for name, agent in agents.items()
        }
        rounds = _measure(runs, settings)

    def figures(name: str) -> dict[str, Any]:
        return {
            "measured": "end to end",
            "world": world,
            "candidate": name,
            "steps_per_second": rounds.median(lambda took: ROLLOUT / took[name].wall),
            "ratio_to_sb3": rounds.median(lambda took: took[SB3].wall / took[name].wall),
            "cpu_ratio_to_sb3": rounds.median(lambda took: took[SB3].cpu / took[name].cpu),
            **_told_of(rounds),
        }

    return [figures(name) for name in agents]


def _measure(runs: Mapping[str, Callable[[], Any]], settings: BenchmarkLearner) -> Rounds:
    from .benchmark_rounds import run_rounds

    return run_rounds(runs, settings.rounds, settings.most_rounds, _speed)


def _speed(seconds: float = 0.1, size: int = 256) -> float:
    """Measure products of matrices on this thread, in billions of operations a second."""
    import torch

    matrix = torch.ones(size, size)
    started = time.perf_counter()
    count = 0
    while time.perf_counter() < started + seconds:
        torch.mm(matrix, matrix)
        count += 1
    return count * 2 * size**3 / (time.perf_counter() - started) / 1e9


def _told_of(rounds: Rounds) -> dict[str, Any]:
    return {
        "rounds": len(rounds.accepted()),
        "rejected": len(rounds.rejected()),
        "machine_gflops": rounds.machine(),
    }


def _show(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    columns = [name for name in rows[0] if name not in ("measured", "shape", "world")]
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
