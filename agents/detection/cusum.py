"""CUSUM: the sum of what is too much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from .detector import Detector, Reference


class CUSUMState(NamedTuple):
    """What the chart knows.

    Attributes:
        values: the newest values, the oldest first.
        seen: how many there are.
        total: the cumulative sum.
    """

    values: np.ndarray
    seen: int
    total: float


@final
@dataclass(frozen=True)
class CUSUM(Detector):
    """The one-sided cumulative sum chart (Page, "Continuous inspection schemes", 1954).

    S' = max(0, S + z - `slack`), where z is how many standard deviations a value is above the
    mean; an alarm is raised where S is above `threshold`. Mean and deviation are estimated from
    `window` values, of which the newest is `lag` values old. The chart is best for a rise of twice
    the slack; it takes about threshold / (rise - slack) values.

    Example:
        >>> from everlearn.agents.detection import find_changes
        >>> noise = np.random.default_rng(0).normal(size=400)
        >>> find_changes(CUSUM(), noise - np.arange(400) / 10)
        []
    """

    window: int = 50
    """Values that tell what is usual, 3 or more (ours)."""

    slack: float = 1.0
    """Deviations that a value may be too high for nothing, 0 or more (ours: for rises of 2)."""

    threshold: float = 8.0
    """Where the sum is too high, more than 0 (ours)."""

    lag: int = 10
    """Newest values that do not count as usual yet, 0 or more (ours)."""

    least_deviation: float = 0.0
    """A standard deviation below which nothing is told apart, 0 or more (ours: none)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        self.require(
            least_deviation=(self.least_deviation >= 0, "0 or more"),
            window=(self.window >= 3, "3 or more"),
            slack=(self.slack >= 0, "0 or more"),
            threshold=(self.threshold > 0, "more than 0"),
            lag=(self.lag >= 0, "0 or more"),
        )

    def begin(self) -> CUSUMState:
        """Return the state before the first value."""
        return CUSUMState(*Reference.begin(self.window, self.lag), 0.0)

    def advance(self, state: CUSUMState, value: float) -> tuple[CUSUMState, bool]:
        """Return the state after a value, and whether the sum is too high."""
        reference = Reference(state.values, state.seen)
        total = 0.0
        if (usual := reference.usual(self.window, self.least_deviation)) is not None:
            mean, deviation = usual
            # A constant has no deviation: what is above it is too much at once.
            excess = value - mean
            scaled = excess / deviation if deviation > 0 else self.threshold * np.sign(excess) * 2
            total = max(0.0, state.total + float(scaled) - self.slack)
        return CUSUMState(*reference.add(value), total), total > self.threshold

    def suspects(self, state: CUSUMState) -> bool:
        """Say whether the sum is half way to an alarm."""
        return state.total > self.threshold / 2
