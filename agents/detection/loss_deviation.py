"""TAME's test: the smoothed loss lies too far above what it was."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from .detector import Detector, Reference


class LossDeviationState(NamedTuple):
    """What the test knows.

    Attributes:
        values: the newest values, the oldest first.
        seen: how many there are.
        smoothed: the exponentially smoothed stream.
        above: for how many values in a row it has been too high.
    """

    values: np.ndarray
    seen: int
    smoothed: float
    above: int


@final
@dataclass(frozen=True)
class LossDeviation(Detector):
    """The loss-deviation test of TAME (Zhu et al. 2022, arXiv 2210.03869).

    An alarm is raised where the smoothed loss is above mean + `threshold` * deviation for
    `patience` values in a row. No code of the authors' is known to us, so that these are ours:
    mean and standard deviation are of `window` values, of which the newest is `lag` values old, as
    otherwise a change would widen what it is measured by. Of independent noise with deviation s,
    the smoothed stream has s * sqrt(a / (2 - a)), and the mean s / sqrt(window).

    Example:
        >>> import numpy as np
        >>> from everlearn.agents.detection import find_changes
        >>> noise = np.random.default_rng(0).normal(size=400)
        >>> find_changes(LossDeviation(), noise + 3 * (np.arange(400) >= 200))
        [206]
        >>> find_changes(LossDeviation(), noise - np.arange(400) / 10)
        []
    """

    window: int = 50
    """Values that tell what is usual, 3 or more (ours)."""

    smoothing: float = 0.2
    """Weight of a new value in the smoothed stream, more than 0 and at most 1 (ours)."""

    threshold: float = 5.0
    """Deviations of the smoothed stream that are too many, more than 0 (ours)."""

    patience: int = 3
    """Values in a row for which it must be so, 1 or more (ours)."""

    lag: int = 10
    """Newest values that do not count as usual yet, 0 or more (ours: twice 1 / smoothing)."""

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
            smoothing=(0 < self.smoothing <= 1, "more than 0 and at most 1"),
            threshold=(self.threshold > 0, "more than 0"),
            patience=(self.patience >= 1, "1 or more"),
            lag=(self.lag >= 0, "0 or more"),
        )

    def begin(self) -> LossDeviationState:
        """Return the state before the first value."""
        return LossDeviationState(*Reference.begin(self.window, self.lag), 0.0, 0)

    def advance(self, state: LossDeviationState, value: float) -> tuple[LossDeviationState, bool]:
        """Return the state after a value, and whether the loss deviates."""
        reference = Reference(state.values, state.seen)
        weight = self.smoothing if state.seen else 1.0
        smoothed = state.smoothed + weight * (value - state.smoothed)
        above = 0
        if (usual := reference.usual(self.window, self.least_deviation)) is not None:
            mean, deviation = usual
            of_smoothed = self.smoothing / (2 - self.smoothing) + 1 / self.window
            if smoothed > mean + self.threshold * deviation * math.sqrt(of_smoothed):
                above = state.above + 1
        state = LossDeviationState(*reference.add(value), smoothed, above)
        return state, above >= self.patience

    def suspects(self, state: LossDeviationState) -> bool:
        """Say whether the smoothed loss is too high."""
        return state.above > 0
