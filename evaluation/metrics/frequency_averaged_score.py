"""How well one policy does at many decision frequencies."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike


def frequency_averaged_score(
    lengths: ArrayLike, scores: ArrayLike, average: Literal["area", "mean"] = "area"
) -> float:
    """Return the score of a policy, averaged over how long each of its decisions stands.

    Patel and Siegelmann, "Overcoming slow decision frequencies in continuous control" (Sequence
    Reinforcement Learning): one policy is evaluated where each action, or sequence of actions,
    stands for j environment steps, with j in 1, 2, 4 and so on to 30. Two readings of their average
    are in use; a report should say which it shows.

    Args:
        lengths: j, rising, (n,).
        scores: normalised, (n,); NaN is left out.
        average: "area" under the scores over j (trapezoids), divided by the range of j; or the
            plain "mean" over the grid.

    Returns:
        NaN for fewer than 2 scores with "area", and without any with "mean".

    Example:
        >>> frequency_averaged_score([1, 2, 4], [1.0, 0.5, 0.25])
        0.5
    """
    x, y = np.asarray(lengths, dtype=float), np.asarray(scores, dtype=float)
    x, y = x[~np.isnan(y)], y[~np.isnan(y)]
    if len(y) < (2 if average == "area" else 1):
        return float("nan")
    return float(np.trapezoid(y, x) / (x[-1] - x[0]) if average == "area" else y.mean())
