"""Tables that grow by the row, and by a column when a row brings a new one."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from ..wrappers.errors import SettingsError


class Table:
    """A CSV file that is written row by row and can be read at any moment.

    Numbers are written so that reading them back gives the same number, bit for bit. What a row
    does not name is left empty.

    Args:
        file: where to write; what was there is replaced.
        columns: the first columns, in order; others join as they come.
        position: from `position`: the table goes on there, without what was written after it.

    Raises:
        SettingsError: the table does not reach to the position.
    """

    def __init__(
        self,
        file: Path,
        columns: tuple[str, ...] = (),
        position: Mapping[str, Any] | None = None,
    ) -> None:
        self._path = file
        self._columns = list(columns if position is None else position["columns"])
        self._n_rows = 0 if position is None else int(position["rows"])
        rows = [] if position is None else self._read_rows()
        self._rewrite(rows)

    def position(self) -> dict[str, Any]:
        """Return where the table ends, when all of it is safe on disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return {"rows": self._n_rows, "columns": list(self._columns)}

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one row; it is safe on disk after `flush`.

        Args:
            row: values by column.
        """
        if new := [name for name in row if name not in self._columns]:
            self._widen(new)
        values = [_cell(row[name]) if name in row else "" for name in self._columns]
        csv.writer(self._file).writerow(values)
        self._n_rows += 1

    def flush(self) -> None:
        """Hand all rows to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _widen(self, new: list[str]) -> None:
        """Add columns."""
        self._file.close()
        rows = self._read_rows()
        self._columns += new
        self._rewrite([[*row, *[""] * len(new)] for row in rows])

    def _read_rows(self) -> list[list[str]]:
        """Read as many rows and columns as there should be."""
        try:
            with self._path.open(newline="", encoding="utf-8") as file:
                header, *rows = list(csv.reader(file)) or [[]]
        except (OSError, ValueError, csv.Error) as error:
            raise SettingsError(f"the table {self._path} cannot be read: {error}") from error
        width = len(self._columns)
        if header[:width] != self._columns or len(rows) < self._n_rows:
            raise SettingsError(
                f"the table {self._path} does not fit its checkpoint: {self._n_rows} rows and "
                f"{width} columns are expected, and it has {len(rows)} and {len(header)}"
            )
        return [row[:width] for row in rows[: self._n_rows]]

    def _rewrite(self, rows: list[list[str]]) -> None:
        """Write the whole file again, put it in the old one's place, and go on after it."""
        beside = self._path.with_name(f".{self._path.name}.tmp")
        # A stranger's folder may hold a link of this name to anywhere.
        beside.unlink(missing_ok=True)
        with beside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if self._columns:
                writer.writerow(self._columns)
            writer.writerows(rows)
        os.replace(beside, self._path)
        self._file = self._path.open("a", newline="", encoding="utf-8")


def _cell(value: Any) -> str:
    if isinstance(value, (Integral, np.bool_)):
        return str(int(value))
    return repr(float(value)) if isinstance(value, Real) else str(value)
