"""How well changes were noticed: false alarms, and delays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class DetectionFigures(NamedTuple):
    """How well changes were noticed.

    Attributes:
        false_alarms: alarms that are no change's first.
        false_alarm_rate: these by step.
        delays: steps from each change that was noticed to its first alarm.
        missed: changes without an alarm.
        median_delay: median of `delays`; not a number where no change was noticed.
    """

    false_alarms: int
    false_alarm_rate: float
    delays: list[int]
    missed: int
    median_delay: float


def detection_figures(
    changes: Sequence[int], alarms: Sequence[int], n_steps: int
) -> DetectionFigures:
    """Return how well a detector did.

    The first alarm at or after a change and before the next one has noticed it. All others are
    false: those before the first change, and further ones in the same segment.

    Args:
        changes: steps at which the world changed, rising.
        alarms: steps at which a detector raised an alarm, rising.
        n_steps: steps of the stream, 1 or more.

    Example:
        >>> detection_figures(changes=[100, 200, 300], alarms=[50, 103, 110, 305], n_steps=1000)
        DetectionFigures(false_alarms=2, false_alarm_rate=0.002, delays=[3, 5], missed=1, \
median_delay=4.0)
    """
    segments = np.searchsorted(changes, alarms, side="right")
    first: dict[int, int] = {}
    for segment, alarm in zip(segments.tolist(), alarms, strict=True):
        if segment:
            first.setdefault(segment - 1, int(alarm))
    delays = [alarm - int(changes[place]) for place, alarm in first.items()]
    false_alarms = len(alarms) - len(first)
    return DetectionFigures(
        false_alarms,
        false_alarms / n_steps,
        delays,
        len(changes) - len(first),
        float(np.median(delays)) if delays else float("nan"),
    )
