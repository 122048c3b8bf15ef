"""A number that says of how many it is the mean."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Measured(NamedTuple):
    """A mean over what could be measured.

    Attributes:
        value: the mean; NaN where nothing could be measured.
        n: over how many values it was taken.
        of: how many there would be if all could be measured.
    """

    value: float
    n: int
    of: int


def mean_of(values: ArrayLike) -> Measured:
    """Average what could be measured, and count it.

    Args:
        values: of any shape; NaN is what could not be measured.

    Example:
        >>> mean_of([0.5, float("nan"), 1.0])
        Measured(value=0.75, n=2, of=3)
        >>> mean_of([])
        Measured(value=nan, n=0, of=0)
    """
    array = np.asarray(values, dtype=float).ravel()
    known = array[~np.isnan(array)]
    return Measured(float(known.mean()) if known.size else float("nan"), known.size, array.size)
