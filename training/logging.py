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
from stable_baselines3.common.logger import KVWriter, Logger

from ..wrappers.info import CHANGED, CONTEXT, SEGMENT, STEPS_SINCE_CHANGE
from .detections import DetectionWriter
from .events import cut_events, event_sizes
from .run import CHANGES, EPISODES, ITERATIONS, Status, write_status
from .tables import Table
from .tensorboard import EventWriter

EPISODE_COLUMNS = ("step", "env", "return", "length", "truncated", "segment")
"""The columns of `episodes.csv`; one `context/<knob>` for each knob follows."""

ITERATION_COLUMNS = ("iteration", "step")
"""The first columns of `iterations.csv`; one for each tag follows."""

CHANGE_COLUMNS = ("step", "segment", "left_out")
"""The columns of `changes.csv`; one `context/<knob>` for each knob follows."""

MOST_CHANGES = 100
"""How many changes an iteration may have for each to get a row."""

_COPIES_DIFFER = "stream/copies_differ"
_RETURN = "continual/return"

# The first columns say the same.
_REPEATED = ("time/iterations", "time/total_timesteps")


class IterationWriter(KVWriter):
    """Writes each dump of the logger as a row of `iterations.csv`, and into `status.json`.

    Args:
        folder: the run folder.
        state: from `get_state`, to go on there.
    """

    def __init__(self, folder: Path, state: Mapping[str, Any] | None = None) -> None:
        state = {"iteration": 0, "step": 0, "last": {}, "table": None} if state is None else state
        self.iteration = int(state["iteration"])
        self.step = int(state["step"])
        self.before = 0
        """Iterations that the agent does not count: those of earlier calls of `learn`."""
        self.last: dict[str, Any] = dict(state["last"])
        """The newest value of every tag."""
        self._folder = folder
        self._table = Table(folder / ITERATIONS, ITERATION_COLUMNS, state["table"])

    def get_state(self) -> dict[str, Any]:
        """Return where the rows end."""
        return {
            "iteration": self.iteration,
            "step": self.step,
            "last": dict(self.last),
            "table": self._table.position(),
        }

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
        if "time/iterations" in key_values:
            self.iteration = self.before + int(key_values["time/iterations"])
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


class ChangeWriter:
    """Writes `changes.csv`: a row for the beginning, and one for each change of the first copy.

    An iteration with more than `MOST_CHANGES` gets a row for its last change alone, so that a
    world that drifts at every step does not blow the table up. An iteration in which the copies of
    the world differed gets none.

    Args:
        folder: the run folder.
        state: from `get_state`, to go on there.
    """

    def __init__(self, folder: Path, state: Mapping[str, Any] | None = None) -> None:
        self._segment = None if state is None else state["segment"]
        self._rows = [] if state is None else [dict(row) for row in state["rows"]]
        self._landings = 0 if state is None else int(state["landings"])
        self.copies_differ = state is not None and bool(state["copies_differ"])
        """Whether the copies differed in this iteration."""
        self._table = Table(folder / CHANGES, CHANGE_COLUMNS, state and state["table"])

    def get_state(self) -> dict[str, Any]:
        """Return where the rows end, and those that wait for the end of the iteration."""
        return {
            "table": self._table.position(),
            "segment": self._segment,
            "rows": [dict(row) for row in self._rows],
            "landings": self._landings,
            "copies_differ": self.copies_differ,
        }

    def look(self, step: int, infos: Sequence[Mapping[str, Any]]) -> None:
        """Notice what has changed.

        Args:
            step: environment steps taken, over all copies.
            infos: the newest `info` of each copy.
        """
        states = [(i.get(SEGMENT), i.get(STEPS_SINCE_CHANGE), i.get(CONTEXT)) for i in infos]
        self.copies_differ |= any(state != states[0] for state in states)
        segment, _, context = states[0]
        if segment == self._segment:
            return
        numbers = {f"context/{k}": v for k, v in (context or {}).items() if _is_number(v)}
        row = {"step": step, "segment": segment, **numbers}
        if self._segment is None:
            self._table.append({**row, "left_out": 0})
        else:
            self._landings += 1
            self._rows = [*self._rows, row] if self._landings <= MOST_CHANGES else [row]
        self._segment = segment

    def end_iteration(self) -> None:
        """Write the rows of the iteration."""
        left_out = self._landings - len(self._rows)
        for row in () if self.copies_differ else self._rows:
            self._table.append({**row, "left_out": left_out})
        self._table.flush()
        self._rows, self._landings, self.copies_differ = [], 0, False

    def close(self) -> None:
        """Write what is left, and close the table."""
        self.end_iteration()
        self._table.close()


class StreamRecorder(BaseCallback):
    """Writes down episodes, changes and detections, and records the stream's state.

    The tables are `episodes.csv`, `changes.csv` and `detections.csv`; the state is recorded once
    an iteration.

    Worlds that tell nothing about a stream get the columns of the episode alone.

    Args:
        folder: the run folder.
        state: from `get_state`, to go on there.
    """

    def __init__(self, folder: Path, state: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self._table = Table(folder / EPISODES, EPISODE_COLUMNS, state and state["table"])
        self._changes = ChangeWriter(folder, state and state["changes"])
        self._detections = DetectionWriter(folder, state and state.get("detections"))
        self._infos: Sequence[Mapping[str, Any]] = ()
        self._recorded = False
        self._returns: list[float] = [] if state is None else list(state["returns"])
        self.lived: dict[str, Any] = {} if state is None else dict(state["lived"])
        """Segment and context of the first copy's last step."""

    def get_state(self) -> dict[str, Any]:
        """Return where the rows end."""
        self._end_iteration_if_over()
        return {
            "table": self._table.position(),
            "changes": self._changes.get_state(),
            "detections": self._detections.get_state(),
            "returns": list(self._returns),
            "lived": dict(self.lived),
        }

    def begin_anew(self) -> None:
        """Take the stream's state from the worlds' last reset."""
        self._infos = list(self.training_env.unwrapped.reset_infos)
        self._changes.look(self.num_timesteps, self._infos)
        self.lived = self.lived or _place(self._infos)

    def _on_training_start(self) -> None:
        self.begin_anew()

    def _on_step(self) -> bool:
        # An `info` tells the world of the next action; an episode's last was taken in the one
        # before.
        before, self._infos = self._infos, self.locals["infos"]
        self.lived = _place(before)
        if any(info.get(CHANGED) for info in self._infos):
            self._changes.look(self.num_timesteps, self._infos)
        self._detections.look(self.num_timesteps, self._infos)
        for env, (world, info) in enumerate(zip(before, self._infos, strict=True)):
            if (episode := info.get("episode")) is not None:
                self._returns.append(float(episode["r"]))
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

    def _on_rollout_start(self) -> None:
        self._end_iteration_if_over()

    def _on_rollout_end(self) -> None:
        self._table.flush()
        # Copies may come apart without a change: by noise.
        self._changes.look(self.num_timesteps, self._infos)
        if self._returns:
            self.logger.record(_RETURN, float(np.mean(self._returns)))
        scalars = stream_scalars(self._infos)
        for key, value in scalars.items():
            self.logger.record(f"stream/{key}", value)
        if scalars:
            self.logger.record(_COPIES_DIFFER, float(self._changes.copies_differ))
        self._recorded = self._recorded or bool(scalars) or bool(self._returns)

    def _end_iteration_if_over(self) -> None:
        # The logger forgets what it has written down. Off-policy agents write after many rollouts.
        if self._recorded and not {_COPIES_DIFFER, _RETURN} & self.logger.name_to_value.keys():
            self._changes.end_iteration()
            self._returns.clear()
            self._recorded = False

    def close(self) -> None:
        """Close the tables."""
        self._table.close()
        self._changes.close()
        self._detections.close()


def _place(infos: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the first copy's segment and context, where it tells them."""
    return {key: infos[0][key] for key in (SEGMENT, CONTEXT) if key in infos[0]} if infos else {}


def stream_scalars(infos: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the stream's state as numbers, in the first copy: a mean would be of no world.

    Args:
        infos: the newest `info` of each copy.

    Example:
        >>> info = {"segment": 2, "steps_since_change": 40, "context": {"friction": 0.5}}
        >>> stream_scalars([info, info])
        {'segment': 2.0, 'steps_since_change': 40.0, 'friction': 0.5}
    """
    if not infos:
        return {}
    numbers = {key: infos[0][key] for key in (SEGMENT, STEPS_SINCE_CHANGE) if key in infos[0]}
    numbers |= infos[0].get(CONTEXT, {})
    return {key: float(value) for key, value in numbers.items() if _is_number(value)}


def make_logger(
    folder: Path, state: Mapping[str, Any] | None = None, before: Logger | None = None
) -> tuple[Logger, IterationWriter, EventWriter]:
    """Make the logger of a run, for `model.set_logger`, and what it writes by.

    Args:
        folder: the run folder.
        state: from `get_logger_state`, to go on there.
        before: a logger whose open row is to be gone on with.

    Raises:
        SettingsError: the table does not reach to the state.
    """
    rows = IterationWriter(folder, None if state is None else state["rows"])
    if state is not None:
        cut_events(folder, state["events"])
    events = EventWriter(folder, None if state is None else state["minima"])
    if state is not None:
        events.forget_after(rows.step)
    # TensorBoard first: when a row is in the table, its event is in the file.
    logger = Logger(str(folder), [events, rows])
    if before is not None:
        logger.name_to_value.update(before.name_to_value)
        logger.name_to_count.update(before.name_to_count)
        logger.name_to_excluded.update(before.name_to_excluded)
    return logger, rows, events


def get_logger_state(folder: Path, rows: IterationWriter, events: EventWriter) -> dict[str, Any]:
    """Return where tables and TensorBoard's files end.

    Args:
        folder: the run folder.
        rows: the logger's writer of rows.
        events: its writer of events.
    """
    events.flush()
    return {
        "rows": rows.get_state(),
        "minima": events.get_state(),
        "events": event_sizes(folder),
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, (Real, np.bool_))
