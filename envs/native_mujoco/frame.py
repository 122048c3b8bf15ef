"""What the simulator says about all copies at one moment, as one array."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np


@final
class Frame:
    """The quantities that a task reads, a row a copy.

    Args:
        values: shape (copies, width): the quantities of each copy, one after the other.
        layout: where in a row each quantity lies, by name.

    Example:
        >>> frame = Frame(np.arange(6.0).reshape(2, 3), {"qpos": slice(0, 1), "qvel": slice(1, 3)})
        >>> frame["qvel"]
        array([[1., 2.],
               [4., 5.]])
        >>> frame.rows(np.array([False, True]))["qpos"]
        array([[3.]])
    """

    def __init__(self, values: np.ndarray, layout: Mapping[str, slice]) -> None:
        self.values = values
        self._layout = layout
        self._quantities = {name: values[:, place] for name, place in layout.items()}

    def __getitem__(self, name: str) -> np.ndarray:
        """Return one quantity of every copy: a view of shape (copies, size), to be copied."""
        return self._quantities[name]

    def __len__(self) -> int:
        """Return the number of copies."""
        return len(self.values)

    def rows(self, mask: np.ndarray) -> Frame:
        """Return a frame of some copies only.

        Args:
            mask: shape (copies,), true for the copies to keep.
        """
        return Frame(self.values[mask], self._layout)
