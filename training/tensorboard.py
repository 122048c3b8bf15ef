"""Writes TensorBoard's files: all numbers of an iteration in one event."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.logger import KVWriter
from tensorboard.compat.proto.event_pb2 import (  # type: ignore[import-untyped]
    Event,
    SessionLog,
)
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
from tensorboard.summary.writer.event_file_writer import (  # type: ignore[import-untyped]
    EventFileWriter,
)

POINTS_A_LENGTH = 100
"""How many blocks of one length there are before they become twice as long."""

LOWEST_OF = {"continual/return": "continual/return_min"}
"""Tags whose lowest values get a curve of their own, and that curve's tag."""


class BlockMinimum:
    """The lowest of each block of values: a curve of few points that hides no drop.

    TensorBoard shows at most 1,000 points of a curve, chosen at random, so that a short drop may
    not be among them. Here each value belongs to a block, and each block gives one point. The
    first hundred blocks are of one value, the next hundred of two, of four, and so on: 1,000
    blocks hold 102,300 values, and no point depends on how long the curve will be.

    Args:
        state: from `get_state`, to go on there.

    Example:
        >>> lowest = BlockMinimum({"blocks": 100, "left": 2, "lowest": None})
        >>> [lowest.add(value) for value in (3.0, 1.0, 5.0, 7.0)]
        [None, 1.0, None, 5.0]
    """

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        state = {"blocks": 0, "left": 1, "lowest": None} if state is None else state
        self._blocks = int(state["blocks"])
        self._left = int(state["left"])
        self._lowest: float | None = state["lowest"]

    def get_state(self) -> dict[str, Any]:
        """Return where the blocks are."""
        return {"blocks": self._blocks, "left": self._left, "lowest": self._lowest}

    def add(self, value: float) -> float | None:
        """Take in one value; return the lowest of its block if that ends with it.

        Args:
            value: the next of the curve.
        """
        lowest = value if self._lowest is None else min(self._lowest, value)
        self._lowest, self._left = lowest, self._left - 1
        if self._left:
            return None
        self._blocks += 1
        self._left, self._lowest = 2 ** (self._blocks // POINTS_A_LENGTH), None
        return lowest


class BlockMinima:
    """A `BlockMinimum` for each of several curves.

    Args:
        state: from `get_state`, to go on there.
    """

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        self._curves = {tag: BlockMinimum(own) for tag, own in (state or {}).items()}

    def get_state(self) -> dict[str, Any]:
        """Return where the blocks are."""
        return {tag: curve.get_state() for tag, curve in self._curves.items()}

    def add(self, values: Mapping[str, float]) -> dict[str, float]:
        """Take in one value of some curves; return the lowest of those blocks that end here.

        Args:
            values: by tag of the curve to be written.
        """
        ended = {}
        for tag, value in values.items():
            lowest = self._curves.setdefault(tag, BlockMinimum()).add(float(value))
            if lowest is not None:
                ended[tag] = lowest
        return ended


class EventWriter(KVWriter):
    """Writes what a logger dumps as one event, and other summaries as they come.

    stable-baselines3's own format writes one event for each number, which takes ten times as long.

    Args:
        folder: where the file is to be.
        state: from `get_state`, to go on there.
    """

    def __init__(self, folder: Path, state: Mapping[str, Any] | None = None) -> None:
        self._file = EventFileWriter(str(folder))
        self._minima = BlockMinima(state)

    def get_state(self) -> dict[str, Any]:
        """Return where the blocks of lowest values are."""
        return self._minima.get_state()

    def write(
        self,
        key_values: dict[str, Any],
        key_excluded: dict[str, tuple[str, ...]],
        step: int = 0,
    ) -> None:
        """Write one iteration.

        Args:
            key_values: all that was recorded; what is no number is left out.
            key_excluded: the formats that a key is not for.
            step: environment steps taken, over all copies.
        """
        scalars = {
            key: float(value)
            for key, value in key_values.items()
            if isinstance(value, (Real, np.bool_))
            and "tensorboard" not in (key_excluded.get(key) or ())
        }
        lowest = {low: scalars[tag] for tag, low in LOWEST_OF.items() if tag in scalars}
        self.write_scalars({**scalars, **self._minima.add(lowest)}, step)

    def write_scalars(self, scalars: Mapping[str, float], step: int) -> None:
        """Write numbers as one event.

        Args:
            scalars: by tag.
            step: environment steps taken, over all copies.
        """
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
        self.write_summaries([Summary(value=values)], step)

    def write_summaries(self, summaries: Iterable[Any], step: int) -> None:
        """Write what is more than numbers.

        Args:
            summaries: each becomes an event.
            step: environment steps taken, over all copies.
        """
        for summary in summaries:
            self._file.add_event(Event(wall_time=time.time(), step=step, summary=summary))

    def forget_after(self, step: int) -> None:
        """Tell a TensorBoard that is running to forget what it has read of later steps.

        Args:
            step: the last step that holds.
        """
        session = SessionLog(status=SessionLog.START)
        self._file.add_event(Event(wall_time=time.time(), step=step + 1, session_log=session))

    def flush(self) -> None:
        """Hand all events to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Write what is left, and close the file."""
        self._file.close()
