"""Tables that grow by the row, and by a column when a row brings a new one."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np


class Table:
    """A CSV file that is written row by row and can be read at any moment.

    Numbers are written so that reading them back gives the same number, bit for bit. What a row
    does not name is left empty.

    Args:
        file: where to write; what was there is replaced.
        columns: the first columns, in order; others join as they come.
    """

    def __init__(self, file: Path, columns: tuple[str, ...] = ()) -> None:
        self._path = file
        self._columns = list(columns)
        self._file = file.open("w", newline="", encoding="utf-8")
        if columns:
            csv.writer(self._file).writerow(self._columns)
            self._file.flush()

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one row; it is safe on disk after `flush`.

        Args:
            row: values by column.
        """
        if new := [name for name in row if name not in self._columns]:
            self._widen(new)
        values = [_cell(row[name]) if name in row else "" for name in self._columns]
        csv.writer(self._file).writerow(values)

    def flush(self) -> None:
        """Hand all rows to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _widen(self, new: list[str]) -> None:
        """Write the whole file again with more columns, and put it in the old one's place."""
        self._file.close()
        with self._path.open(newline="", encoding="utf-8") as old:
            rows = list(csv.reader(old))[1:]
        self._columns += new
        beside = self._path.with_name(f".{self._path.name}.tmp")
        with beside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(self._columns)
            writer.writerows([*row, *[""] * len(new)] for row in rows)
        os.replace(beside, self._path)
        self._file = self._path.open("a", newline="", encoding="utf-8")


def _cell(value: Any) -> str:
    if isinstance(value, (Integral, np.bool_)):
        return str(int(value))
    return repr(float(value)) if isinstance(value, Real) else str(value)
