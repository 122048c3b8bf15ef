"""Writes down where the agent noticed a change, beside where the world really was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from ..wrappers.info import DETECTED, SEGMENT, STEPS_SINCE_CHANGE
from .run import DETECTIONS
from .tables import Table

DETECTION_COLUMNS = ("step", "segment", "steps_since_change")
"""The columns of `detections.csv`."""


@final
class DetectionWriter:
    """Writes `detections.csv`: a row for each change that the agent noticed.

    There is no file before the first.

    Args:
        folder: the run folder.
        state: from `get_state`, to go on there.
    """

    def __init__(self, folder: Path, state: Mapping[str, Any] | None = None) -> None:
        self._file = folder / DETECTIONS
        self._table: Table | None = None
        if state is not None:
            self._table = Table(self._file, DETECTION_COLUMNS, state)
        else:
            self._file.unlink(missing_ok=True)

    def get_state(self) -> dict[str, Any] | None:
        """Return where the rows end, or None where there is none."""
        return None if self._table is None else self._table.position()

    def look(self, step: int, infos: Sequence[Mapping[str, Any]]) -> None:
        """Write a row if the agent has just noticed a change.

        Args:
            step: environment steps taken, over all copies.
            infos: the newest `info` of each copy.
        """
        if not infos[0].get(DETECTED):
            return
        if self._table is None:
            self._table = Table(self._file, DETECTION_COLUMNS)
        truth = {key: infos[0][key] for key in (SEGMENT, STEPS_SINCE_CHANGE) if key in infos[0]}
        self._table.append({"step": step, **truth})
        self._table.flush()

    def close(self) -> None:
        """Close the table."""
        if self._table is not None:
            self._table.close()
