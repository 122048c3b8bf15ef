"""Kills runs at chosen calls, in this process or in others."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import stable_baselines3.common.base_class
from tensorboard.summary.writer import event_file_writer  # type: ignore[import-untyped]

from everlearn.agents.checkpoint import folder as checkpoint_folder
from everlearn.agents.offline import OnlineFamO2O
from everlearn.agents.offline.agent import OfflineAgent
from everlearn.agents.ppo.learner import PPOLearner
from everlearn.agents.sac.learner import SACLearner
from everlearn.training import events, run
from everlearn.training.logging import IterationWriter, StreamRecorder
from everlearn.training.offline import TrainOffline
from everlearn.training.settings import RunSettings
from everlearn.training.tables import Table
from everlearn.training.tensorboard import EventWriter
from everlearn.training.train import train

_FORKS = multiprocessing.get_context("forkserver")
# One process imports all that takes long, and every run is a copy of it.
_FORKS.set_forkserver_preload(
    [
        *("everlearn.agents", "everlearn.agents.offline", "everlearn.agents.secbad"),
        *(
            "everlearn.envs.native_mujoco",
            "everlearn.envs.envpool_worlds",
            "everlearn.envs.vec_env",
        ),
        *("everlearn.training.train", "everlearn.training.timelines", "tensorboard"),
        # torch imports them when the first optimizer is made.
        *("torch._dynamo", "functorch.compile"),
    ]
)


class Crash(BaseException):
    """Stands for the end of the process."""


class Halved:
    """The system's calls, of which the chosen one happens by half and is the last.

    Args:
        after: calls that succeed.
        end: ends the process, or raises.
    """

    NAMES = ("open", "write", "fsync", "replace", "unlink", "makedirs", "close")

    def __init__(self, after: int, end: Callable[[], Any]) -> None:
        self.calls = 0
        self._after = after
        self._end = end

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return real if name not in self.NAMES else partial(self._call, name, real)

    def _call(self, name: str, real: Callable[..., Any], *given: Any, **named: Any) -> Any:
        self.calls += 1
        if self.calls <= self._after:
            return real(*given, **named)
        if name == "write" and self.calls == self._after + 1:
            real(given[0], given[1][: len(given[1]) // 2])
        return self._end()


def half_a_row(table: Any, row: Any) -> None:
    """Leave the beginning of a row on disk."""
    table._file.write("12,0.")
    table._file.flush()


POINTS: dict[str, tuple[Any, str, int]] = {
    "rollout": (StreamRecorder, "_on_step", 60),
    "update": (stable_baselines3.common.base_class.BaseAlgorithm, "_update_learning_rate", 3),
    "ppo": (PPOLearner, "_step", 20),
    "sac": (SACLearner, "train", 30),
    "offline": (OfflineAgent, "_draw", 40),
    "family": (OnlineFamO2O, "train", 40),
    "row": (Table, "append", 3),
    "iteration": (IterationWriter, "write", 3),
    "events": (EventWriter, "write", 3),
    "file": (run, "write_atomically", 6),
    "checkpoint": (checkpoint_folder, "os", 120),
}
"""Where a run may be killed, and after how many calls at most; "checkpoint" is at a system call."""

REFERENCE_ONLY = {"plasticity-injection", "weight-norm"}
"""Methods with which stable-baselines3's own update runs, and never a learner of ours."""

PAST = "past a checkpoint"
"""The seed of a kill in the third iteration: chance might end all before the first checkpoint."""


def kill_at(patch: Callable[[Any, str, Any], None], point: str, after: int, end: Any) -> None:
    """See to it that a process ends at some call.

    Args:
        patch: sets an attribute.
        point: one of `POINTS`.
        after: calls that succeed.
        end: ends the process, or raises.
    """
    if point == "checkpoint":
        patch(checkpoint_folder, "os", Halved(after, end))
        return
    owner, name, _ = POINTS[point]
    real, calls = getattr(owner, name), [0]

    def counted(*given: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] > after:
            if point == "row":
                half_a_row(*given)
            end()
        return real(*given, **named)

    patch(owner, name, counted)


def draw_kill(settings: RunSettings, seed: str) -> tuple[str, int]:
    """Draw where a run is killed, and after how many calls.

    Args:
        settings: of the run.
        seed: decides.
    """
    if seed == PAST:
        return "iteration", 2
    draws = random.Random(seed)
    base = getattr(settings, "base_settings", settings)
    offline = isinstance(base, TrainOffline) and base.agent != "famo2o-online"
    others = {"ppo": "ppo", "famo2o-online": "family"}
    learner = "offline" if offline else others.get(base.agent, "sac")
    points = {*POINTS} - ({"ppo", "sac", "offline", "family"} - {learner})
    if base.agent == "recurrent-ppo" or REFERENCE_ONLY & {
        text.partition(":")[0] for text in settings.methods
    }:
        points -= {"ppo", "sac"}
    if isinstance(base, TrainOffline):  # They never change their learning rates.
        points -= {"update"}
    if offline:  # It has no rollouts.
        points -= {"rollout"}
    point = draws.choice([*sorted(points), "checkpoint", learner if offline else "rollout"])
    return point, draws.randrange(POINTS[point][2])


def run_killed(
    settings: RunSettings, name: str, log: Path, kills: int = 20, patient: bool = False
) -> int:
    """Train in processes that are killed until that is enough, then in one that is not.

    Args:
        settings: of the run.
        name: decides when it is killed.
        log: where the processes write what they have to say.
        kills: how many are enough.
        patient: whether they wait for TensorBoard, as is usual.

    Returns:
        How often it was killed.

    Raises:
        RuntimeError: one of the processes failed.
    """
    for number in count():
        drawn = PAST if number == 3 else f"{name} {number}"
        seed = drawn if number < kills else None
        given = (settings, seed, log, None if patient else number)
        process = _FORKS.Process(target=_train_until, args=given)
        process.start()
        process.join()
        if process.exitcode == 0:
            return number
        if process.exitcode != -signal.SIGKILL:
            raise RuntimeError(f"process {number}, {seed}: {log.read_text()[-2000:]}")
    raise AssertionError


def _train_until(settings: RunSettings, seed: str | None, log: Path, number: int | None) -> None:
    with log.open("w") as file:
        os.dup2(file.fileno(), sys.__stdout__.fileno())  # type: ignore[union-attr]
        os.dup2(file.fileno(), sys.__stderr__.fileno())  # type: ignore[union-attr]
    if number is not None:
        _hurry(number)
    if seed is not None:
        kill_at(setattr, *draw_kill(settings, seed), _die)
    train(settings)


def _hurry(number: int) -> None:
    """Let nobody wait for the next second.

    Within one, TensorBoard reads files of events in the order of their hosts.
    """
    event_file_writer.socket = SimpleNamespace(gethostname=lambda: f"host{number:03}")
    clock = SimpleNamespace(time=events.time.time, sleep=lambda seconds: None)
    events.time = clock  # type: ignore[assignment]


def _die() -> None:
    """End as if the power was off."""
    os.kill(os.getpid(), signal.SIGKILL)
