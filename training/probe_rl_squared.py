"""The in-context adaptation experiment: what a memory and level replay bring within a trial.

Nothing heavy is imported before it runs, so that the script can answer `--help` at once.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from io import StringIO
from pathlib import Path
from statistics import mean
from typing import Any

from ..wrappers.errors import unknown
from .rl_squared import TrainRLSquared
from .settings import require
from .terminal import print_table

_SHARED = "n_steps=128,batch_size=256,learning_rate=1e-3,hidden_sizes=[64]"

_RECURRENT = f"recurrent-ppo:{_SHARED},lstm_size=64"

ARMS: dict[str, dict[str, Any]] = {
    "prioritized": {"base": _RECURRENT, "sampling": "prioritized"},
    "temperature-1": {"base": _RECURRENT, "sampling": "prioritized:temperature=1"},
    "uniform": {"base": _RECURRENT, "sampling": "uniform"},
    "memoryless": {
        "base": f"ppo:{_SHARED.replace('[64]', '[64,64]')},value_coefficient=0.5,"
        "max_grad_norm=0.5,activation=tanh,backend=eager",
        "sampling": "uniform",
        "told": False,
    },
}
"""Who is compared: RL² with level replay as published, with its ranks weighing less (the published
code's default), and without it; and an agent without a memory that is told nothing. PPO's settings
are stable-baselines3's, with shorter rollouts and larger steps."""


@dataclass(frozen=True)
class ProbeRLSquared:
    """Train agents to adapt within trials, and try them in contexts that they never learned in.

    A score is the mean return of the first, second ... episode of trials in the held-out contexts,
    which are the same for all agents. A record that is there is gone on with.
    """

    arms: tuple[str, ...] = tuple(ARMS)
    """Who is compared: prioritized, temperature-1, uniform, memoryless."""

    stream: str = "everlearn/HiddenArm-v0"
    """The world, with or without settings: by default a bandit in short episodes."""

    seeds: int = 3
    """How many agents of each kind."""

    first_seed: int = 0
    """The first one's seed; the others count on."""

    steps: int = 150_000
    """Environment steps of each agent, over all copies."""

    evaluations: int = 5
    """How often each agent is tried, the last time at the end."""

    held_out: int = 20
    """Contexts to be tried in."""

    output: Path | None = None
    """Where to write the record as JSON lines; by default it is printed only."""

    def run(self) -> None:
        """Experiment, print, and write what is asked for.

        Raises:
            SettingsError: for a setting that cannot be used.
        """
        for name in ("seeds", "steps", "evaluations"):
            require(self, name, getattr(self, name) >= 1, "1 or more")
        require(self, "first_seed", self.first_seed >= 0, "0 or more")
        for arm in self.arms:
            if arm not in ARMS:
                raise unknown("arm", arm, ARMS)
            self.agent(arm, self.first_seed).check()
        probe_rl_squared(self)

    def agent(self, arm: str, seed: int, folder: str = "runs") -> TrainRLSquared:
        """Return the settings of one agent.

        Args:
            arm: one of `ARMS`.
            seed: its own.
            folder: of all runs.
        """
        settings = TrainRLSquared(
            stream=self.stream,
            total_steps=self.steps,
            seed=seed,
            held_out=self.held_out,
            runs_folder=folder,
            checkpoint_every=0,
            histograms_every=0,
            diagnostics=False,
            **ARMS[arm],
        )
        iterations = -(-self.steps // settings.iteration_length)
        every = max(iterations // self.evaluations, 1)
        return replace(settings, evaluate_every=every)


def probe_rl_squared(settings: ProbeRLSquared) -> list[dict[str, Any]]:
    """Experiment, print, and write what is asked for.

    Args:
        settings: what to do.

    Returns:
        A row for each agent: arm, seed, at which steps it was tried, the mean returns of a
        trial's episodes then, and seconds.

    Raises:
        SettingsError: the record is of another experiment.
    """
    from .benchmark.rounds import complete_record

    head = {"experiment": "rl-squared", "settings": _plain(settings)}
    seeds = range(settings.first_seed, settings.first_seed + settings.seeds)
    train = partial(_train, settings)
    rows = complete_record(settings.output, head, "arm", settings.arms, seeds, train)
    _show(rows)
    return rows


def _plain(settings: ProbeRLSquared) -> dict[str, Any]:
    """Return what tells this experiment from others; seeds and arms may be added."""
    return {
        "stream": settings.stream,
        "steps": settings.steps,
        "evaluations": settings.evaluations,
        "held_out": settings.held_out,
    }


def _train(settings: ProbeRLSquared, arm: str, seed: int) -> dict[str, Any]:
    from ..evaluation.records import read_table
    from .run import EVALUATIONS
    from .train import train

    began, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        agent = settings.agent(arm, seed, folder)
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            result = train(agent)
        table = read_table(result.folder / EVALUATIONS)
    means = table.groupby(["step", "episode_in_trial"])["return"].mean().unstack()
    return {
        "arm": arm,
        "seed": seed,
        "steps": means.index.tolist(),
        "returns": [[round(one, 2) for one in row] for row in means.to_numpy().tolist()],
        "seconds": round(time.perf_counter() - began, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "agent": agent.learner(),
    }


def _show(rows: Sequence[dict[str, Any]]) -> None:
    table = []
    for arm in dict.fromkeys(row["arm"] for row in rows):
        last = [row["returns"][-1] for row in rows if row["arm"] == arm]
        found = [mean(column) for column in zip(*last, strict=True)]
        seconds = mean(row["cpu_seconds"] for row in rows if row["arm"] == arm)
        cells = [f"{one:.1f}" for one in found]
        table.append([arm, str(len(last)), *cells, f"{seconds:.0f} s"])
    episodes = [f"episode {number + 1}" for number in range(len(table[0]) - 3)]
    names = ("arm", "seeds", *episodes, "processor time")
    print_table(names, table, right=names[1:])
