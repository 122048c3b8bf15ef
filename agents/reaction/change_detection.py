"""Change detection: a model of the world is suddenly wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from ..detection import CUSUM, BayesianOnline, Detector, LossDeviation
from .watching import Watching

DETECTORS: dict[str, type[Detector]] = {
    "loss-deviation": LossDeviation,
    "cusum": CUSUM,
    "bayesian": BayesianOnline,
}
"""The tests by name."""


@final
@dataclass(eq=False, repr=False)
class ChangeDetection(Watching):
    """Tells all methods of a change when a model of the world is suddenly wrong.

    After TAME (Zhu et al. 2022), for reinforcement learning: the signal is the error of a model of
    the world, see `Watching`. (The mean of the errors themselves would be that of a few jumps, and
    losses and returns of the agent move whenever the policy does.) An alarm calls `on_change` of
    all methods, as if the stream had told of a change: resets, re-warmed learning rates and the
    like then need no labels.

    It changes nothing of the agent by itself. It is silent for the first
    (`window` + 10) * `every_steps` steps after each alarm and each change that is told, as what is
    usual must be known first (the Bayesian test: for `window` * `every_steps` steps). A mean over
    all copies is what it looks at: copies that change each for themselves it can't tell apart.

    Example:
        >>> ChangeDetection(test="cusum").every_steps
        64
        >>> ChangeDetection(every_steps=0)
        Traceback (most recent call last):
        ...
        everlearn.wrappers.errors.SettingsError: change-detection setting 'every_steps' must be \
1 or more, not 0
    """

    name: ClassVar[str] = "change-detection"

    test: Literal["loss-deviation", "cusum", "bayesian"] = "loss-deviation"
    """Which test (TAME: the loss's deviation)."""

    signal: Literal["both", "dynamics", "reward"] = "both"
    """Whose errors are looked at (ours)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require(
            "threshold",
            self.threshold is None or self.test != "bayesian" or self.threshold < 1,
            "less than 1 for the Bayesian test",
        )

    def make_detector(self) -> Detector:
        """Return the test for either stream."""
        settings: dict[str, Any] = {
            "window": self.window,
            "least_deviation": self.least_deviation,
        }
        if self.test == "bayesian":
            settings |= {"recent": max(self.window // 2, 1), "longest": 2 * self.window}
        if self.threshold is not None:
            settings["threshold"] = self.threshold
        return DETECTORS[self.test](**settings)

    def listens_to(self, place: int) -> bool:
        """Say whether the detector of dynamics (0) or reward (1) may raise an alarm."""
        return self.signal in ("both", ("dynamics", "reward")[place])
