"""Kills runs at chosen calls: a test kit, and a script that kills children of its own.

As a script: `interruptions.py <settings as JSON> <seeds of the kills...>`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import stable_baselines3.common.base_class

from everlearn.agents.checkpoint import folder as checkpoint_folder
from everlearn.agents.ppo.learner import PPOLearner
from everlearn.agents.sac.learner import SACLearner
from everlearn.training import run
from everlearn.training.logging import IterationWriter, StreamRecorder
from everlearn.training.ppo import TrainPPO
from everlearn.training.sac import TrainSAC
from everlearn.training.secbad import TrainSeCBAD
from everlearn.training.tables import Table
from everlearn.training.tensorboard import EventWriter


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
    "rollout": (StreamRecorder, "_on_step", 70),
    "update": (stable_baselines3.common.base_class.BaseAlgorithm, "_update_learning_rate", 3),
    "ppo": (PPOLearner, "_step", 20),
    "sac": (SACLearner, "train", 30),
    "row": (Table, "append", 3),
    "iteration": (IterationWriter, "write", 3),
    "events": (EventWriter, "write", 3),
    "file": (run, "write_atomically", 6),
    "checkpoint": (checkpoint_folder, "os", 200),
}
"""Where a run may be killed, and after how many calls at most; "checkpoint" is at a system call."""


ENOUGH = 20
"""How often a run is killed at most."""


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


def settings_from(data: dict[str, Any]) -> TrainPPO | TrainSAC | TrainSeCBAD:
    """Build the settings of a run from plain data."""
    data = {key: tuple(v) if isinstance(v, list) else v for key, v in data.items()}
    kinds: dict[str, Any] = {one.agent: one for one in (TrainPPO, TrainSAC, TrainSeCBAD)}
    return kinds[data.pop("agent")](**data)


def die() -> None:
    """End as if the power was off."""
    os.kill(os.getpid(), signal.SIGKILL)


def main(arguments: list[str]) -> int:
    """Run children that are killed until that is enough, then one that is not."""
    data = json.loads(arguments[0])
    killed = 0
    for text in arguments[1:]:
        if killed == ENOUGH:
            break
        status = run_child(data, text)
        killed += os.WIFSIGNALED(status)
        if not os.WIFSIGNALED(status) and os.WEXITSTATUS(status) != 0:
            return 1
    if run_child(data) != 0:
        return 1
    print(f"killed {killed} times")
    return 0


def run_child(data: dict[str, Any], seed: str | None = None) -> int:
    """Train in a process of its own, and return what it ended with.

    Args:
        data: the settings.
        seed: decides when the process is killed; None for never.
    """
    child = os.fork()
    if child == 0:
        if seed is not None:
            draws = random.Random(seed)
            other = "sac" if data["agent"] == "ppo" else "ppo"
            point = draws.choice([*sorted({*POINTS} - {other}), "checkpoint", "rollout"])
            kill_at(setattr, point, draws.randrange(POINTS[point][2]), die)
        from everlearn.training.train import train

        train(settings_from(data))
        sys.stdout.flush()
        os._exit(0)
    return os.waitpid(child, 0)[1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
