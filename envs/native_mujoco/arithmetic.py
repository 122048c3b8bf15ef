"""Arithmetic on a row a copy that gives gymnasium's bits.

Sums depend on the order of the summands, and so do their last bits. These functions add up each row
in the order in which gymnasium's functions add up one copy's numbers.
"""

from __future__ import annotations

import numpy as np


def sum_of_squares(rows: np.ndarray) -> np.ndarray:
    """Return what `np.sum(np.square(row))` is for each row, in the rows' type.

    Args:
        rows: shape (copies, size).

    Example:
        >>> sum_of_squares(np.array([[3.0, 4.0], [1.0, 1.0]]))
        array([25.,  2.])
    """
    return np.square(rows).sum(axis=1)


def lengths(rows: np.ndarray) -> np.ndarray:
    """Return what `np.linalg.norm(row)` is for each row.

    Args:
        rows: shape (copies, size).

    Example:
        >>> lengths(np.array([[3.0, 4.0], [0.0, 2.0]]))
        array([5., 2.])
    """
    # `norm` takes the inner product, whose rounding differs from that of squares added up.
    return np.sqrt(np.vecdot(rows, rows))


def scalar_squares(values: np.ndarray) -> np.ndarray:
    """Return what `value**2` is for each number taken alone.

    Args:
        values: shape (copies,).

    Example:
        >>> scalar_squares(np.array([3.0, 0.5]))
        array([9.  , 0.25])
    """
    # Numpy squares an array by multiplying, but a number by the C library's `pow`: about one
    # result in a thousand has another last bit.
    return np.array([value**2 for value in values])
