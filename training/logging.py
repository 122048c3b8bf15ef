"""What a run writes down: a row an iteration, a row an episode, and the stream's state.

The agent's own logger gives the moment: whatever it dumps goes to TensorBoard and, in the same
moment, into `iterations.csv`. Nothing here touches the agent, the world or a random generator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter, Logger, TensorBoardOutputFormat

from ..wrappers.info import CONTEXT, SEGMENT, STEPS_SINCE_CHANGE
from .run import EPISODES, ITERATIONS, Status, write_status
from .tables import Table

EPISODE_COLUMNS = ("step", "env", "return", "length", "truncated", "segment")
"""The columns of `episodes.csv`; one `context/<knob>` for each knob follows."""

ITERATION_COLUMNS = ("iteration", "step")
"""The first columns of `iterations.csv`; one for each tag follows."""

# The first columns say the same.
_REPEATED = ("time/iterations", "time/total_timesteps")


class IterationWriter(KVWriter):
    """Writes each dump of the logger as a row of `iterations.csv`, and into `status.json`.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.iteration = 0
        self.step = 0
        self.last: dict[str, Any] = {}
        """The newest value of every tag."""
        self._folder = folder
        self._table = Table(folder / ITERATIONS, ITERATION_COLUMNS)

    def write(
        self,
        key_values: dict[str, Any],
        key_excluded: dict[str, tuple[str, ...]],
        step: int = 0,
    ) -> None:
        """Write one row.

        Args:
            key_values: all that was recorded; what is no number is left out.
            key_excluded: for other formats; this one takes all.
            step: environment steps taken, over all copies.
        """
        self.iteration = int(key_values.get("time/iterations", self.iteration))
        self.step = int(step)
        row = {key: value for key, value in key_values.items() if _is_number(value)}
        self.last |= row
        row = {key: value for key, value in row.items() if key not in _REPEATED}
        self._table.append({"iteration": self.iteration, "step": self.step, **row})
        self._table.flush()
        write_status(self._folder, Status("running", self.step, self.iteration))

    def close(self) -> None:
        """Close the table."""
        self._table.close()


class StreamRecorder(BaseCallback):
    """Writes `episodes.csv`, and records the stream's state once an iteration.

    Worlds that tell nothing about a stream get the columns of the episode alone.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._table = Table(folder / EPISODES, EPISODE_COLUMNS)
        self._infos: Sequence[Mapping[str, Any]] = ()

    def _on_training_start(self) -> None:
        self._infos = self.training_env.reset_infos

    def _on_step(self) -> bool:
        # An `info` tells the world of the next action; an episode's last was taken in the one
        # before.
        before, self._infos = self._infos, self.locals["infos"]
        for env, (world, info) in enumerate(zip(before, self._infos, strict=True)):
            if (episode := info.get("episode")) is not None:
                self._table.append(
                    {
                        "step": self.num_timesteps,
                        "env": env,
                        "return": episode["r"],
                        "length": episode["l"],
                        "truncated": int(info.get("TimeLimit.truncated", False)),
                        "segment": world.get(SEGMENT, ""),
                        **{f"context/{knob}": v for knob, v in world.get(CONTEXT, {}).items()},
                    }
                )
        return True

    def _on_rollout_end(self) -> None:
        self._table.flush()
        for key, value in stream_scalars(self._infos).items():
            self.logger.record(f"stream/{key}", value)

    def close(self) -> None:
        """Close the table."""
        self._table.close()


def stream_scalars(infos: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the stream's state as numbers: the mean over the copies where they differ.

    Args:
        infos: the newest `info` of each copy.

    Example:
        >>> info = {"segment": 2, "steps_since_change": 40, "context": {"friction": 0.5}}
        >>> stream_scalars([info, info])
        {'segment': 2.0, 'steps_since_change': 40.0, 'friction': 0.5}
    """
    rows = [
        {key: info[key] for key in (SEGMENT, STEPS_SINCE_CHANGE) if key in info}
        | dict(info.get(CONTEXT, {}))
        for info in infos
    ]
    keys = rows[0] if rows else {}
    return {
        key: float(np.mean([row[key] for row in rows])) for key in keys if _is_number(rows[0][key])
    }


def make_logger(folder: Path) -> tuple[Logger, IterationWriter]:
    """Make the logger of a run, for `model.set_logger`, and its writer of rows.

    Args:
        folder: the run folder.
    """
    rows = IterationWriter(folder)
    # TensorBoard first: when a row is in the table, its event is in the file.
    return Logger(str(folder), [TensorBoardOutputFormat(str(folder)), rows]), rows


def _is_number(value: Any) -> bool:
    return isinstance(value, (Real, np.bool_))
