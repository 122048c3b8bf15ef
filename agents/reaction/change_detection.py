"""Change detection: a model of the world is suddenly wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor, nn

from ..detection import CUSUM, BayesianOnline, Detector, LossDeviation, pack_state, unpack_state
from ..experience import Experience
from ..layers import Part
from ..method import Method
from .dynamics import DynamicsModel
from .transitions import Transitions

DETECTORS: dict[str, type[Detector]] = {
    "loss-deviation": LossDeviation,
    "cusum": CUSUM,
    "bayesian": BayesianOnline,
}
"""The tests by name."""

FLOOR = 1e-3
"""An error that is as good as none: this much of a variance."""

BATCH = 64
"""Steps in a gradient step of the model."""


@final
@dataclass(eq=False, repr=False)
class ChangeDetection(Method):
    """Tells all methods of a change when a model of the world is suddenly wrong.

    After TAME (Zhu et al. 2022), for reinforcement learning: a small network predicts how an
    action changes the observation, another one the reward. Of every `every_steps` steps over all
    copies of the world the mean logarithm of the squared error before learning from them, in
    variances of what is predicted, is one value of two streams, dynamics and reward, each with a
    detector of its own (`everlearn.agents.detection`). (The mean of the errors themselves would be
    that of a few jumps.) An alarm of either calls `on_change` of all
    methods, as if the stream had told of a change: resets, re-warmed learning rates and the like
    then need no labels. Losses and returns of the agent itself would not do as a signal: they move
    whenever the policy does.

    It changes nothing of the agent by itself. It is silent for the first
    (`window` + 10) * `every_steps` steps after each alarm and each change that is told, as what is
    usual must be known first (the Bayesian test: for `window` * `every_steps` steps). A mean over
    all copies is what it looks at: copies that change each for themselves it can't tell apart.

    Example:
        >>> ChangeDetection(detector="cusum").every_steps
        64
        >>> ChangeDetection(every_steps=0)
        Traceback (most recent call last):
        ...
        everlearn.wrappers.errors.SettingsError: change-detection setting 'every_steps' must be \
1 or more, not 0
    """

    name: ClassVar[str] = "change-detection"

    detector: Literal["loss-deviation", "cusum", "bayesian"] = "loss-deviation"
    """Which test (TAME: the loss's deviation)."""

    signal: Literal["both", "dynamics", "reward"] = "both"
    """Whose errors are looked at (ours)."""

    every_steps: int = 64
    """Environment steps over all copies that make one value, 1 or more (ours)."""

    window: int = 50
    """Values that tell what is usual, 3 or more (ours)."""

    threshold: float | None = None
    """The test's own threshold, or none for its default."""

    updates: int = 4
    """Gradient steps of the model for each value, 1 or more (ours)."""

    model_learning_rate: float = 1e-3
    """Of the model's Adam, more than 0 (ours)."""

    hidden_size: int = 64
    """Units of each of the model's two hidden layers, 1 or more (ours)."""

    memory: int = 1024
    """Newest steps that the model learns from, as many as make a value or more (ours)."""

    horizon: float = 10_000.0
    """Steps after which what is predicted is scaled anew, more than 0 (ours)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        for name in ("every_steps", "updates", "hidden_size"):
            self.require(name, getattr(self, name) >= 1, "1 or more")
        for name in ("model_learning_rate", "horizon"):
            self.require(name, getattr(self, name) > 0, "more than 0")
        self.require("memory", self.memory >= self.every_steps, "every_steps or more")
        self.require("window", self.window >= 3, "3 or more")
        self.require("threshold", self.threshold is None or self.threshold > 0, "more than 0")
        self.require(
            "threshold",
            self.threshold is None or self.detector != "bayesian" or self.threshold < 1,
            "less than 1 for the Bayesian test",
        )

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Begin to look.

        Raises:
            SettingsError: observations are no vector of numbers, or actions of another kind.
        """
        self.generator = torch.Generator().manual_seed(seed)
        if self.spaces is None:
            return
        self.transitions = Transitions(self.spaces, self.every_steps, self.memory, self.name)
        self.model = DynamicsModel(
            self.transitions.n_inputs,
            self.spaces[1],
            self.transitions.n_actions,
            0,
            self.hidden_size,
            1.0,
            self.model_learning_rate,
            self.horizon,
            self.generator,
        )
        self._detector = self._make_detector()
        self.known = _Known(torch.from_numpy(pack_state(self._detector.begin())))

    def notices(self, experience: Experience) -> bool:
        """Look at a step, and say whether the errors rose."""
        alarm = False
        for window in self.transitions.gather(self.transitions.read(experience)):
            alarm |= self._look(window)
        return alarm

    def after_iteration(self) -> dict[str, float]:
        """Return how many changes were noticed so far, and the errors' geometric means."""
        if self.spaces is None:
            return {}
        values, dynamics, reward = self.known.sums.tolist()
        told = {"detection/changes": float(self.known.alarms)}
        if values:
            told["detection/dynamics_error"] = math.exp(dynamics / values)
            told["detection/reward_error"] = math.exp(reward / values)
        self.known.sums.zero_()
        return told

    def on_change(self, info: Mapping[str, Any]) -> None:
        """Begin to look anew."""
        if self.spaces is not None:
            self._begin_anew()

    def _make_detector(self) -> Detector:
        kind = DETECTORS[self.detector]
        settings: dict[str, Any] = {"window": self.window}
        if self.detector == "bayesian":
            settings |= {"recent": max(self.window // 2, 1), "longest": 2 * self.window}
        if self.threshold is not None:
            settings["threshold"] = self.threshold
        return kind(**settings)

    @torch.no_grad()
    def _look(self, window: Tensor) -> bool:
        """Measure the errors on a window of steps, and learn from it."""
        rows = self.transitions.split(window)
        self.model.rescale(rows)
        dynamics, reward = self.model.errors(rows)
        errors = torch.stack([dynamics / self.model.n_outputs, reward]).double()
        values = (errors + FLOOR).log().mean(dim=1)
        self.known.sums += torch.cat([values.new_ones(1), values])
        alarms = [self._detect(place, value) for place, value in enumerate(values.tolist())]
        if any(alarms):
            self.known.alarms += 1
            self._begin_anew()
        self.transitions.remember(window)
        assert self.generator is not None
        for _ in range(self.updates):
            self.model.learn(self.transitions.draw(BATCH, self.generator))
        return any(alarms)

    def _detect(self, place: int, value: float) -> bool:
        if self.signal not in ("both", ("dynamics", "reward")[place]):
            return False
        state = unpack_state(self._detector.begin(), self.known.states[place].cpu().numpy())
        state, alarm = self._detector.step(state, value)
        self.known.states[place] = torch.from_numpy(pack_state(state))
        return alarm

    def _begin_anew(self) -> None:
        """Forget what was usual, and the world that was."""
        begun = torch.from_numpy(pack_state(self._detector.begin()))
        self.known.states.copy_(begun.expand_as(self.known.states))
        self.transitions.forget()


@final
class _Known(nn.Module):
    """What is known of the errors: buffers, to be saved."""

    states: Tensor
    alarms: Tensor
    sums: Tensor

    def __init__(self, begun: Tensor) -> None:
        super().__init__()
        # Of the detectors of dynamics and reward.
        self.register_buffer("states", begun.repeat(2, 1))
        self.register_buffer("alarms", torch.zeros((), dtype=torch.int64))
        # Values since the last row of the log, and their sums.
        self.register_buffer("sums", torch.zeros(3, dtype=torch.float64))
