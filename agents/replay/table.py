"""Single transitions in arrays of fixed size, for buffers that keep no steps in a row."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np

from .arrays import make_arrays

COLUMNS = ("observations", "actions", "rewards", "next_observations", "terminals")


@final
class TransitionTable:
    """Transitions, each with a number that tells when it was put there.

    Arrays as large as asked for are made at once, but memory is taken by the rows that were
    written alone, as operating systems do it.

    Args:
        size: most transitions.
        observation: an observation, for its shape and type.
        action: an action, for its shape and type.
        memmap_folder: a folder on whose disk the arrays lie, in a memory-mapped file; None for
            memory.

    Raises:
        SettingsError: the file cannot be made.

    Example:
        >>> table = TransitionTable(2, np.zeros(3, np.float32), np.zeros(1, np.float32))
        >>> table.put(0, number=7, values=(np.ones(3), np.ones(1), 0.5, np.ones(3), True))
        >>> table.n_rows, table.oldest
        (1, 7)
    """

    def __init__(
        self,
        size: int,
        observation: np.ndarray,
        action: np.ndarray,
        memmap_folder: str | Path | None = None,
    ) -> None:
        observations = ((size, *observation.shape), observation.dtype)
        columns: dict[str, Any] = {
            "observations": observations,
            "actions": ((size, *action.shape), action.dtype),
            "rewards": ((size,), np.float32),
            "next_observations": observations,
            "terminals": ((size,), np.bool_),
            "numbers": ((size,), np.int64),
        }
        self.columns = make_arrays(columns, memmap_folder)
        self.numbers = self.columns.pop("numbers")
        self.n_rows = 0

    @property
    def size(self) -> int:
        """Most transitions."""
        return len(self.numbers)

    @property
    def oldest(self) -> int | None:
        """The smallest number, or None of an empty table."""
        return int(self.numbers[: self.n_rows].min()) if self.n_rows else None

    def put(self, row: int, number: int, values: tuple[Any, ...]) -> None:
        """Write a transition over what was there.

        Args:
            row: where to; rows are filled in order.
            number: larger than all before.
            values: one for each of `COLUMNS`.
        """
        for name, value in zip(COLUMNS, values, strict=True):
            self.columns[name][row] = value
        self.numbers[row] = number
        self.n_rows = max(self.n_rows, row + 1)

    def since(self, number: int) -> dict[str, np.ndarray]:
        """Return the rows that were written from a number on.

        Args:
            number: the first that counts.
        """
        rows = np.flatnonzero(self.numbers[: self.n_rows] >= number)
        columns = {name: column[rows] for name, column in self.columns.items()}
        return {"rows": rows, "numbers": self.numbers[rows], **columns}

    def put_back(self, piece: Mapping[str, np.ndarray]) -> None:
        """Write rows that `since` told.

        Args:
            piece: what it told.
        """
        rows = piece["rows"]
        for name, column in self.columns.items():
            column[rows] = piece[name]
        self.numbers[rows] = piece["numbers"]
        if len(rows):
            self.n_rows = max(self.n_rows, int(rows.max()) + 1)
