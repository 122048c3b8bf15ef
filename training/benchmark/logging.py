"""What logging costs a run, beside the same run without any.

Nothing heavy is imported here, so that the script can answer `--help` at once.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..ppo import TrainPPO
from ..terminal import print_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..train import Plan

_KINDS = {"nothing": (False, False), "logging": (True, False), "and diagnostics": (True, True)}
"""Whether each candidate logs, and whether it measures plasticity."""


@dataclass(frozen=True)
class BenchmarkLogging:
    """Measure the share of PPO's time that logging takes, each by turns in one process.

    Time is that of the process on all cores, which other processes disturb little.
    """

    streams: tuple[str, ...] = ("everlearn/SlipperyAnt-v0", "everlearn/LifelongCartPole-v0")
    """Streams to train in."""

    iterations: int = 200
    """Iterations of each candidate: a whole number of chunks."""

    chunk: int = 5
    """Iterations in a turn."""

    backend: Literal["compiled", "eager", "reference"] = "compiled"
    """What computes PPO's update."""

    output: Path | None = None
    """Where to write the record as JSON lines; by default it is printed only."""

    def run(self) -> None:
        """Measure, and print a table."""
        rows = [row for stream in self.streams for row in self._measure(stream)]
        columns = ["stream", "what", "ms an iteration", "more than nothing"]
        cells = [
            [row["stream"], row["what"], f"{row['milliseconds']:.1f}", f"{row['share']:+.2%}"]
            for row in rows
        ]
        print_table(columns, cells)
        if self.output is not None:
            from .rounds import write_record

            head = {"benchmark": "logging", "settings": {**asdict(self), "output": None}}
            write_record(self.output, head, rows)

    def _measure(self, stream: str) -> Iterator[dict[str, Any]]:
        import numpy as np
        import torch

        torch.set_num_threads(1)
        times: dict[str, list[float]] = {name: [] for name in _KINDS}
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            learners = {
                name: _learner(self, stream, Path(folder, str(i)), stack, *kind)
                for i, (name, kind) in enumerate(_KINDS.items())
            }
            for turn in range(self.iterations // self.chunk + 1):
                for name, learn in learners.items():
                    began = time.process_time()
                    learn()
                    if turn:  # the first compiles
                        times[name].append((time.process_time() - began) / self.chunk)
        base = np.array(times["nothing"])
        for name, values in times.items():
            ratios = np.array(values) / base
            yield {
                "stream": stream,
                "what": name,
                "milliseconds": 1000 * float(np.median(values)),
                "share": float(np.median(ratios)) - 1,
                "quartiles": [float(q) - 1 for q in np.quantile(ratios, [0.25, 0.75])],
                "turns": len(values),
                "chunk": self.chunk,
            }


def _learner(
    benchmark: BenchmarkLogging,
    stream: str,
    folder: Path,
    stack: ExitStack,
    logs: bool,
    diagnostics: bool,
) -> Callable[[], None]:
    """Return what trains an agent for some iterations more."""
    from stable_baselines3.common.callbacks import CallbackList
    from stable_baselines3.common.logger import Logger

    from ...envs import make_vec_env
    from ..logging import StreamRecorder, make_logger
    from ..run_card import RunCard
    from ..train import plan_run

    folder.mkdir()
    settings = TrainPPO(stream=stream, diagnostics=diagnostics, backend=benchmark.backend)
    plan: Plan = plan_run(settings)
    env = make_vec_env(plan.stream, settings.n_envs, 0)
    stack.callback(env.close)
    agent = settings.build_agent(env, ())
    agent.set_logger(Logger(None, []))
    callbacks: list[Any] = []
    rows: Any = None
    if logs:
        logger, rows, events = make_logger(folder)
        agent.set_logger(logger)
        recorder = StreamRecorder(folder)
        stack.callback(logger.close)
        stack.callback(recorder.close)
        config = {**plan.identity, "seed": 0, "total_steps": settings.total_steps}
        callbacks = [
            recorder,
            RunCard(plan.stream, settings, config, rows, events),
        ]

    def learn() -> None:
        agent.learn(
            benchmark.chunk * settings.iteration_length,
            callback=CallbackList(callbacks),
            reset_num_timesteps=agent.num_timesteps == 0,
        )
        if rows is not None:
            # Each call of `learn` counts its own iterations.
            rows.before = rows.iteration

    return learn
