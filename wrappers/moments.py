"""Means and variances of all that was seen, taken in a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

import numpy as np


@final
class Moments:
    """Count, mean and sum of squared deviations of rows (Chan et al., 1979, equation 2.1).

    Args:
        width: numbers in a row.

    Example:
        >>> moments = Moments(1)
        >>> moments.take_in(np.array([[1.0], [2.0]]))
        >>> moments.take_in(np.array([[6.0]]))
        >>> moments.count, moments.mean, moments.squares
        (3, array([3.]), array([14.]))
    """

    def __init__(self, width: int) -> None:
        self.count = 0
        self.mean = np.zeros(width)
        self.squares = np.zeros(width)
        self.factor = np.ones(width)
        """One over the standard deviation; 1 before the first row."""

    def take_in(self, rows: np.ndarray) -> None:
        """Join the moments of some rows with those of all rows before.

        Args:
            rows: of shape (rows, width).
        """
        mean = rows.mean(axis=0)
        centred = rows - mean
        self.join(len(rows), mean, np.einsum("ij,ij->j", centred, centred))

    def join(self, count: int, mean: np.ndarray, squares: np.ndarray) -> None:
        """Join other moments with these.

        Args:
            count: rows they are of.
            mean: of shape (width,).
            squares: sums of squared deviations, of shape (width,).
        """
        if not count:
            return
        total = self.count + count
        step = mean - self.mean
        self.squares += squares
        self.squares += step**2 * (self.count * count / total)
        self.mean += step * (count / total)
        self.count = total
        self.factor = 1.0 / np.sqrt(self.squares / self.count + 1e-8)


def pooled(tables: Iterable[Moments], width: int) -> Moments:
    """Return the moments of all rows of several tables.

    Args:
        tables: each of rows of its own.
        width: numbers in a row.
    """
    whole = Moments(width)
    for one in tables:
        whole.join(one.count, one.mean, one.squares)
    return whole
