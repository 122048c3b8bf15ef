"""Which of the known experts fits what has just come? TAME's answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...wrappers.errors import SettingsError
from .detector import Reference


class Usual(NamedTuple):
    """What an expert's loss was while it was the active one.

    Attributes:
        mean: the mean of its values.
        deviation: their standard deviation.
    """

    mean: float
    deviation: float


def select_expert(
    losses: Sequence[Sequence[float]], usual: Sequence[Usual], threshold: float = 5.0
) -> int | None:
    """Return the expert for whom the newest losses are usual, or None if a new one is needed.

    Zhu et al. 2022 (TAME, arXiv 2210.03869): after an alarm all experts are tried on what has just
    come, and one whose loss stays below its own threshold takes over. Where several do, it is the
    one that deviates least (ours; no code of theirs is known to us). An expert must not learn while
    its loss is suspiciously high, or it is spoilt by the time of the alarm.

    Args:
        losses: of each expert, on the same few newest batches.
        usual: what each expert's loss was.
        threshold: how many standard deviations the mean of the losses may be too high, more than 0.

    Raises:
        SettingsError: the threshold is not above 0, or a loss is not finite.

    Example:
        >>> usual = [Usual(1.0, 0.1), Usual(2.0, 0.1)]
        >>> select_expert([[7.0, 7.1], [2.1, 2.0]], usual)
        1
        >>> select_expert([[7.0, 7.1], [9.0, 9.1]], usual)
    """
    if not threshold > 0:
        raise SettingsError(f"the threshold of an expert must be more than 0, not {threshold}")
    excesses = []
    for own, (mean, deviation) in zip(losses, usual, strict=True):
        newest = float(np.mean(own))
        if not math.isfinite(newest):
            raise SettingsError(f"an expert's losses must be finite, and have a mean of {newest}")
        excesses.append((newest - mean) / max(deviation, 1e-12 + 1e-6 * abs(mean)))
    if not excesses or min(excesses) > threshold:
        return None
    return int(np.argmin(excesses))


def usual_of(values: np.ndarray, seen: int, window: int, least: float = 0.0) -> Usual | None:
    """Return what was usual before an alarm, by the state of a detector with a window.

    Args:
        values: its newest values, the oldest first.
        seen: how many it has seen.
        window: how many of the oldest tell what is usual.
        least: what the deviation is at least.
    """
    known = Reference(values, seen).usual(window, least)
    return None if known is None else Usual(*known)
