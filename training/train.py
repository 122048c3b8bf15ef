"""One run, from its settings to its summary."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.logger import Logger

from ..agents.checkpoint import apply_checkpoint, keeps_worlds
from ..agents.registry import parse_method
from ..envs import make_vec_env
from ..envs.world_state import keeps_state
from ..evaluation.figures import draw_return
from ..evaluation.records import read_run
from ..wrappers.errors import SettingsError
from . import run
from .evaluate import Evaluation
from .logging import IterationWriter, StreamRecorder, get_logger_state, make_logger
from .progress import Progress
from .resume import CHECKPOINT, Checkpoints, find_checkpoint, plain
from .run_card import RunCard
from .settings import RunSettings
from .spaces import require_spaces
from .stopping import Stopped, StopRequest, heed_signals
from .streams import read_stream
from .summary import print_summary
from .tensorboard import EventWriter

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

    from ..agents.checkpoint import Found
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
            "layer_diagnostics_every": settings.layer_diagnostics_every,
            "trainability_every": settings.trainability_every,
            "evaluation": settings.evaluation,
            **self._boundaries(),
            **({"normalization": settings.normalization} if settings.normalization else {}),
            **({"device": settings.device} if settings.device != "cpu" else {}),
            **{settings.agent: settings.learner()},
        }

    def _boundaries(self) -> dict[str, int]:
        """Return how often worlds that keep no state begin anew: at each checkpoint."""
        settings = self.settings
        if keeps_state(self.stream, cast("Backend", settings.world_backend)):
            return {}
        return {"checkpoint_every": settings.checkpoint_every}

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
        read_stream(settings.stream),
        tuple(parse_method(text) for text in settings.methods),
    )


def rehearse(settings: RunSettings) -> None:
    """Build the agent in its worlds and leave it at that: what can't be used shows here.

    Args:
        settings: of one agent.

    Raises:
        SettingsError: for settings with which `train` would write nothing either.
    """
    # It may be another machine that trains.
    plan = plan_run(replace(settings, device="cpu"))
    env = _make_worlds(plan)
    try:
        _build_agent(plan, env)
    finally:
        env.close()


def train(settings: RunSettings) -> Result:
    """Train one agent in one stream, and write down all that happens.

    A run that is found finished is left alone; one that is found unfinished, or shorter than asked
    for, goes on from its last checkpoint, or starts again where it has none. Nothing is written
    before all settings are known to be good.

    Args:
        settings: of one agent.

    Raises:
        SettingsError: for settings that cannot be used, or a folder that cannot be written or
            holds something else.
        Diverged: for rewards, losses or weights that are not finite.
        Stopped: when asked to by SIGINT or SIGTERM.
    """
    plan = plan_run(settings)
    folder = plan.folder
    status = run.read_status(folder)
    if status and status.state == "finished" and status.steps >= settings.total_steps:
        print(f"already finished, with {status.steps:,} steps: {folder}")
        return Result(folder, status.steps, status.iteration, 0.0)
    run.require_writable(folder)
    _require_device(settings.device)
    torch.set_num_threads(settings.threads)
    env = _make_worlds(plan)
    try:
        agent = _build_agent(plan, env)
        with run.claim(folder):
            found = find_checkpoint(folder, _identity(plan))
            if status or found:
                print(_notice(status, found, settings.total_steps))
            return _run(plan, agent, found)
    except OSError as error:
        reason = error.strerror or error
        raise SettingsError(f"cannot write the run folder {folder}: {reason}") from error
    finally:
        env.close()


def _require_device(device: str) -> None:
    found = torch.cuda.device_count()
    wanted = torch.device(device)
    if wanted.type == "cuda" and (wanted.index or 0) >= found:
        raise SettingsError(
            f"--device {device} is not here: torch {torch.__version__} finds {found} GPUs; "
            "use --device cpu"
        )


def _make_worlds(plan: Plan) -> VecEnv:
    settings = plan.settings
    return make_vec_env(
        plan.stream,
        settings.n_envs,
        settings.seed,
        backend=cast("Backend", settings.world_backend),
        normalize=settings.normalization,
    )


def _build_agent(plan: Plan, env: VecEnv) -> BaseAlgorithm:
    require_spaces(env, plan.settings.agent, plan.stream.name)
    return plan.settings.build_agent(env, plan.methods)


def _notice(status: run.Status | None, found: Found | None, total_steps: int) -> str:
    state = "unknown" if status is None else status.state
    if found is not None:
        steps = found.tree["extra"]["steps"]
        return f"found {steps:,} of {total_steps:,} steps ({state}): going on from there"
    steps = 0 if status is None else status.steps
    return f"found {steps:,} of {total_steps:,} steps ({state}): starting again from the beginning"


def _run(plan: Plan, agent: BaseAlgorithm, found: Found | None) -> Result:
    """Learn, write, and sum up; the folder is ours alone."""
    settings, folder = plan.settings, plan.folder
    extra = None
    if found is not None:
        extra = found.tree["extra"]
        agent.set_logger(Logger(None, []))
        # Before anything is written: it may not fit.
        apply_checkpoint(folder / CHECKPOINT, found, agent)
    with ExitStack() as parts:  # all are closed, also where closing one of them fails
        rows, events = _open(plan, agent, extra, parts)
        recorder = StreamRecorder(folder, extra and extra["recorder"])
        parts.callback(recorder.close)
        evaluation = Evaluation(
            folder, plan.stream, settings, rows, recorder, events, extra and extra["evaluation"]
        )
        parts.callback(evaluation.close)
        card = RunCard(plan.stream, settings, _config(plan), rows, events, extra and extra["card"])

        def log_state() -> dict[str, Any]:
            return {
                "logger": get_logger_state(folder, rows, events),
                "recorder": recorder.get_state(),
                "evaluation": evaluation.get_state(),
                "card": card.get_state(),
            }

        every = settings.checkpoint_every
        request = StopRequest(at_once=every == 0 or not keeps_worlds(agent))
        checkpoints = Checkpoints(
            folder, _identity(plan), every, rows, recorder, log_state, request, found
        )
        progress = Progress(settings.total_steps)
        parts.callback(progress.close)
        try:
            with heed_signals(request):
                agent.learn(
                    settings.whole_steps - agent.num_timesteps,
                    # A checkpoint holds the evaluation of its own iteration.
                    callback=CallbackList([recorder, progress, card, evaluation, checkpoints]),
                    reset_num_timesteps=found is None,
                )
                checkpoints.finish()
                # After the last checkpoint, from which a longer run goes on without it.
                evaluation.finish()
                card.finish(folder)
        except BaseException as error:
            _tell_end(folder, error, rows, _cost(checkpoints))
            raise
    seconds = checkpoints.seconds
    agent.save(folder / run.MODEL)
    record = read_run(folder)
    draw_return(record, folder / run.PICTURE)
    steps, cost = agent.num_timesteps, _cost(checkpoints)
    run.write_status(folder, run.Status("finished", steps, rows.iteration, checkpoints=cost))
    costs = {"evaluations": evaluation.cost, "checkpoints": cost}
    told = [(name, value) for name, value in costs.items() if value]
    print_summary(folder, settings.runs_folder, record, rows.last, seconds, told)
    return Result(folder, steps, rows.iteration, seconds)


def _open(
    plan: Plan, agent: BaseAlgorithm, extra: dict[str, Any] | None, parts: ExitStack
) -> tuple[IterationWriter, EventWriter]:
    """Make the folder ready to be written in, from the beginning or where a checkpoint was."""
    folder = plan.folder
    if extra is None:
        run.clear(folder)
        logger, rows, events = make_logger(folder)
    else:
        logger, rows, events = make_logger(folder, extra["logger"], agent.logger)
        # An agent with iterations of its own counts them over its whole life.
        rows.before = 0 if hasattr(agent, "iteration") else rows.iteration
    parts.callback(logger.close)
    run.write_config(folder, _config(plan))
    run.write_stamp(folder, goes_on=extra is not None)
    run.write_status(folder, run.Status("running", rows.step, rows.iteration))
    agent.set_logger(logger)
    return rows, events


def _tell_end(folder: Path, error: BaseException, rows: IterationWriter, cost: str) -> None:
    """Write down why a run has not come to its end."""
    state: Literal["stopped", "failed"] = "stopped" if isinstance(error, Stopped) else "failed"
    reason = f"{type(error).__name__}: {error}".removesuffix(": ")
    # Where the disk is full, the error that is on its way says more than the one here.
    with suppress(OSError):
        run.write_status(folder, run.Status(state, rows.step, rows.iteration, reason, cost))


def _cost(checkpoints: Checkpoints) -> str:
    cost = checkpoints.cost
    if not cost.number:
        return ""
    return f"{cost}, {cost.seconds / checkpoints.seconds:.1%} of the time"


def _identity(plan: Plan) -> dict[str, Any]:
    return plain({"hash": plan.hash, "seed": plan.settings.seed, **plan.identity})


def _config(plan: Plan) -> dict[str, Any]:
    return {**_identity(plan), "total_steps": plan.settings.total_steps}
