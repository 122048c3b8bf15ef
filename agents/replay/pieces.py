"""Arrays that are read where they lie, in files, and only the rows that are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt

_BLOCK = 1 << 20


@final
class Pieces:
    """Rows of several arrays, one after the other, as if they were one: none is copied.

    Slices and arrays of rows, counted from 0, give numpy arrays.

    Args:
        parts: at least one array or `Pieces`, all alike but for their number of rows.
        rows: which rows of them in which order, of shape (rows,); None for all as they are.

    Example:
        >>> pieces = Pieces([np.arange(3), np.arange(10, 15)])
        >>> len(pieces), pieces[2:5], pieces[np.array([7, 0, 7])]
        (8, array([ 2, 10, 11]), array([14,  0, 14]))
        >>> Pieces([pieces], np.array([4, 3]))[:]
        array([11, 10])
    """

    def __init__(self, parts: Sequence[Array], rows: np.ndarray | None = None) -> None:
        self._parts: list[np.ndarray] = []
        self._rows = _places(parts)
        for part in parts:
            self._parts += part._parts if isinstance(part, Pieces) else [part]
        if rows is not None:
            self._rows = rows if self._rows is None else self._rows[rows]
        lengths = [len(part) for part in self._parts]
        self._ends = np.cumsum(lengths)
        self._starts = self._ends - lengths
        self.dtype: np.dtype[Any] = np.result_type(*{part.dtype for part in self._parts})
        """The rows' type."""
        n_rows = int(self._ends[-1]) if self._rows is None else len(self._rows)
        self.shape: tuple[int, ...] = (n_rows, *parts[0].shape[1:])
        """The number of rows, and their shape."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    def __getitem__(self, rows: slice | npt.ArrayLike) -> np.ndarray:
        """Return a copy of some rows."""
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        wanted = np.asarray(rows)
        if wanted.dtype.kind not in "iu" or wanted.ndim != 1 or np.any(wanted < 0):
            raise IndexError("pieces take a slice, or an array of rows counted from 0")
        if self._rows is not None:
            wanted = self._rows[wanted]
        # Sorted, what lies in one part is read at once, and a file from front to back.
        order = np.argsort(wanted, kind="stable")
        wanted = wanted[order]
        which = np.searchsorted(self._ends, wanted, side="right")
        if len(which) and which[-1] == len(self._parts):
            raise IndexError(f"there is no row {wanted[-1]} among {len(self)}")
        local = wanted - self._starts[which]
        found = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        stops = [*(np.flatnonzero(np.diff(which)) + 1).tolist(), len(wanted)]
        if 2 * len(stops) > len(wanted):  # as in a batch, where this is three times as fast
            for place, part, row in zip(
                order.tolist(), which.tolist(), local.tolist(), strict=True
            ):
                found[place] = self._parts[part][row]
            return found
        start = 0
        for stop in stops:
            found[order[start:stop]] = self._parts[which[start]][local[start:stop]]
            start = stop
        return found

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        """Return all rows as one array, in memory."""
        if copy is False:
            raise ValueError("pieces are no array without a copy")
        return self[:].astype(dtype or self.dtype, copy=False)


Array = np.ndarray | Pieces
"""What has rows, in memory or not."""


def blocks(array: Array) -> Iterator[np.ndarray]:
    """Yield all rows in arrays of about a megabyte.

    Args:
        array: of any size.
    """
    row = max(int(np.prod(array.shape[1:])) * array.dtype.itemsize, 1)
    step = max(_BLOCK // row, 1)
    for start in range(0, len(array), step):
        yield array[start : start + step]


def _places(parts: Sequence[Array]) -> np.ndarray | None:
    """Return where the rows of parts lie in what these consist of, or None where in order."""
    if all(not isinstance(part, Pieces) or part._rows is None for part in parts):
        return None
    places, start = [], 0
    for part in parts:
        rows = part._rows if isinstance(part, Pieces) else None
        places.append(start + (np.arange(len(part)) if rows is None else rows))
        start += int(part._ends[-1]) if isinstance(part, Pieces) else len(part)
    return np.concatenate(places)
