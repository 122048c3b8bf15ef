"""How a batch is shared among sources."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from ...wrappers.errors import SettingsError

Share = float | Sequence[Sequence[float]]
"""A part of each batch, from 0 to 1; or pairs of a step and the part there, linear in between."""


def share_at(share: Share, step: int) -> float:
    """Return a share at a step.

    Args:
        share: a number, or pairs of a step and a number, in the order of steps. Before the first
            pair and after the last the share is theirs.
        step: environment steps taken, over all copies of the world.

    Example:
        >>> share_at(0.5, 1000), share_at([(0, 1.0), (100, 0.0)], 25)
        (0.5, 0.75)
    """
    if isinstance(share, (int, float)):
        return float(share)
    steps, parts = zip(*share, strict=True)
    return float(np.interp(step, steps, parts))


def check_share(name: str, share: Share) -> None:
    """Raise unless a share is one.

    Args:
        name: of its source.
        share: as for `share_at`.

    Raises:
        SettingsError: saying what a share may be.
    """
    pairs = [(0, share)] if isinstance(share, (int, float)) else [tuple(pair) for pair in share]
    fits = bool(pairs) and all(len(p) == 2 and 0 <= p[1] <= 1 for p in pairs)
    if not fits or any(a[0] >= b[0] for a, b in pairwise(pairs)):
        raise SettingsError(
            f"the share of {name!r} must be from 0 to 1, or pairs of a step and such a number "
            f"with growing steps, not {share!r}"
        )


def whole_counts(shares: Mapping[str, float], batch_size: int) -> dict[str, int]:
    """Return how many rows of a batch each source gives: its share, rounded down.

    Args:
        shares: of each source, in sum no more than 1.
        batch_size: rows in all.

    Example:
        >>> whole_counts({"earlier": 0.5, "expert": 0.3}, 255)
        {'earlier': 127, 'expert': 76}
    """
    # 0.3 of 10 is 2.9999...
    return {name: math.floor(share * batch_size + 1e-9) for name, share in shares.items()}


def random_counts(shares: Mapping[str, float], batch_size: int) -> dict[str, int]:
    """Return how many rows of a batch each source gives, with what rounding leaves drawn.

    On average each gives exactly its share, also of batches with fewer rows than sources. Draws
    from numpy's global generator where something is left.

    Args:
        shares: of each source, in sum 1.
        batch_size: rows in all.

    Example:
        >>> random_counts({"a": 0.25, "b": 0.75}, 8)
        {'a': 2, 'b': 6}
    """
    counts = whole_counts(shares, batch_size)
    left = batch_size - sum(counts.values())
    if left:
        names = list(shares)
        parts = np.array([max(shares[n] * batch_size - counts[n], 0.0) for n in names])
        for index in np.random.choice(len(names), size=left, p=parts / parts.sum()):
            counts[names[index]] += 1
    return counts
