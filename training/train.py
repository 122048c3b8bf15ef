"""One run, from its settings to its summary."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from stable_baselines3.common.callbacks import CallbackList

from ..agents.registry import parse_method
from ..envs import make_stream, make_vec_env
from ..evaluation.figures import draw_return
from ..evaluation.records import read_run
from . import run
from .logging import StreamRecorder, make_logger
from .progress import Progress
from .settings import RunSettings
from .spaces import require_spaces
from .summary import print_summary

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

    from ..agents.method import Method
    from ..envs import Stream
    from ..envs.make import Backend


@dataclass(frozen=True)
class Result:
    """What a call of `train` came to."""

    folder: Path
    """The run folder."""

    steps: int
    """Environment steps the run has taken, over all copies."""

    iterations: int
    """Iterations the run has ended."""

    seconds: float
    """How long training took; 0 if it was finished already."""


@dataclass(frozen=True)
class Plan:
    """A run whose settings have all been read, before anything is built."""

    settings: RunSettings
    """As they were given."""

    stream: Stream
    """The changing world."""

    methods: tuple[Method, ...]
    """What keeps the agent able to learn."""

    @property
    def agent(self) -> str:
        """The agent's name with those of its methods."""
        return "+".join([self.settings.agent, *(method.name for method in self.methods)])

    @property
    def identity(self) -> dict[str, Any]:
        """All that tells this run from others, but its seed and its length."""
        settings = self.settings
        return {
            "agent": settings.agent,
            "stream": self.stream.to_dict(),
            "methods": [{"name": m.name, **m.settings()} for m in self.methods],
            "n_envs": settings.n_envs,
            "world_backend": settings.world_backend,
            "threads": settings.threads,
            "diagnostics": settings.diagnostics,
            **{settings.agent: settings.learner()},
        }

    @property
    def hash(self) -> str:
        """The short name of `identity`."""
        return run.config_hash(self.identity)

    @property
    def folder(self) -> Path:
        """Where the run lies."""
        settings = self.settings
        return run.run_path(
            settings.runs_folder, self.stream.name, self.agent, self.hash, settings.seed
        )


def plan_run(settings: RunSettings) -> Plan:
    """Check the settings, and read the stream and the methods out of them.

    Args:
        settings: of one agent.

    Raises:
        SettingsError: for a number out of its range, or a stream, a method or a setting of
            theirs that there is not.
    """
    settings.check()
    return Plan(
        settings,
        make_stream(settings.stream),
        tuple(parse_method(text) for text in settings.methods),
    )


def train(settings: RunSettings) -> Result:
    """Train one agent in one stream, and write down all that happens.

    A run that is found finished is left alone; one that is found unfinished starts again from
    the beginning. Nothing is written before all settings are known to be good.

    Args:
        settings: of one agent.

    Raises:
        SettingsError: for settings that cannot be used, or a folder that cannot be written.
    """
    plan = plan_run(settings)
    folder = plan.folder
    status = run.read_status(folder)
    if status and status.state == "finished" and status.steps >= settings.total_steps:
        print(f"already finished, with {status.steps:,} steps: {folder}")
        return Result(folder, status.steps, status.iteration, 0.0)
    run.require_writable(folder)
    torch.set_num_threads(settings.threads)
    env = make_vec_env(
        plan.stream, settings.n_envs, settings.seed, backend=cast("Backend", settings.world_backend)
    )
    try:
        require_spaces(env, settings.agent, plan.stream.name)
        agent = settings.build_agent(env, plan.methods)
        with run.claim(folder):
            if status:
                print(_notice(status, settings.total_steps))
            return _run(plan, agent)
    finally:
        env.close()


def _notice(status: run.Status, total_steps: int) -> str:
    found = f"found {status.steps:,} of {total_steps:,} steps ({status.state})"
    return f"{found}: starting again from the beginning"


def _run(plan: Plan, agent: BaseAlgorithm) -> Result:
    """Learn, write, and sum up; the folder is ours alone."""
    settings, folder = plan.settings, plan.folder
    run.clear(folder)
    run.write_config(folder, _config(plan))
    run.write_json(folder / run.STAMP, run.stamp())
    run.write_status(folder, run.Status("running", 0, 0))
    logger, rows = make_logger(folder)
    agent.set_logger(logger)
    recorder, progress = StreamRecorder(folder), Progress(settings.total_steps)
    started = time.perf_counter()
    try:
        agent.learn(settings.whole_steps, callback=CallbackList([recorder, progress]))
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
        run.write_status(folder, run.Status("failed", rows.step, rows.iteration, reason))
        raise
    finally:
        for part in (progress, recorder, logger):
            part.close()
    seconds = time.perf_counter() - started
    agent.save(folder / run.MODEL)
    record = read_run(folder)
    draw_return(record, folder / run.PICTURE)
    run.write_status(folder, run.Status("finished", agent.num_timesteps, rows.iteration))
    print_summary(folder, settings.runs_folder, record, rows.last, seconds)
    return Result(folder, agent.num_timesteps, rows.iteration, seconds)


def _config(plan: Plan) -> dict[str, Any]:
    settings = plan.settings
    return {
        "hash": plan.hash,
        "seed": settings.seed,
        "total_steps": settings.total_steps,
        **plan.identity,
    }
