"""What methods have in common that watch the world by a model of it."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from ..detection import Detector, pack_state, unpack_state
from ..experience import Experience
from ..layers import Part
from ..method import Method
from .dynamics import DynamicsModel
from .transitions import Transitions

FLOOR = 1e-3
"""An error that is as good as none: this much of a variance."""

BATCH = 64
"""Steps in a gradient step of the model."""


class Window(NamedTuple):
    """The newest steps, as they were looked at.

    Attributes:
        rows: of shape (every_steps, numbers), as `Transitions` has them.
        states: of the detectors of dynamics and reward before it.
    """

    rows: Tensor
    states: tuple[Any, Any]


@dataclass(eq=False, repr=False)
class Watching(Method):
    """Watches the world by a model of it, and raises alarms: abstract base.

    A small network predicts how an action changes the observation, another one the reward. Of each
    `every_steps` steps over all copies of the world the mean logarithm of the squared errors,
    before learning from them and in variances of what is predicted, is one value of two streams,
    dynamics and reward, each with a detector of its own. What a detector suspects is not learned
    from.
    """

    every_steps: int = 64
    """Environment steps over all copies that make one value, 1 or more (ours)."""

    window: int = 50
    """Values that tell what is usual, 3 or more (ours)."""

    threshold: float | None = None
    """The test's own threshold, or none for its default."""

    least_deviation: float = 0.25
    """What the deviation of the errors' logarithms is at least, 0 or more (ours: where a model is
    nearly exact, a policy that learns raises its errors by a quarter without a change)."""

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
        self.require("least_deviation", self.least_deviation >= 0, "0 or more")
        self.require("memory", self.memory >= self.every_steps, "every_steps or more")
        self.require("window", self.window >= 3, "3 or more")
        self.require("threshold", self.threshold is None or self.threshold > 0, "more than 0")

    @abstractmethod
    def make_detector(self) -> Detector:
        """Return the test for either stream."""

    def listens_to(self, place: int) -> bool:
        """Say whether the detector of dynamics (0) or reward (1) may raise an alarm."""
        return True

    def on_alarm(self, window: Window) -> None:
        """Act when an alarm is raised, before what is usual is forgotten.

        Args:
            window: at which it was.
        """

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
        self.detector = self.make_detector()
        self.known = _Known(torch.from_numpy(pack_state(self.detector.begin())))

    def notices(self, experience: Experience) -> bool:
        """Look at a step, and say whether the errors rose."""
        alarm = False
        for rows in self.transitions.gather(self.transitions.read(experience)):
            alarm |= self._look(rows)
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

    def measure(self, rows: Tensor) -> Tensor:
        """Return the mean logarithms of the model's errors of dynamics and reward.

        Args:
            rows: steps, as `Transitions` has them.
        """
        dynamics, reward = self.model.errors(self.transitions.split(rows))
        errors = torch.stack([dynamics / self.model.n_outputs, reward]).double()
        return (errors + FLOOR).log().mean(dim=1)

    @torch.no_grad()
    def _look(self, rows: Tensor) -> bool:
        """Measure the errors on a window of steps, and learn from it."""
        before = [self.known.read(self.detector, place) for place in range(2)]
        begins = not self.known.begun
        if begins:
            # There is no scale yet.
            self.model.rescale(self.transitions.split(rows))
            self.known.begun.fill_(True)
        values = self.measure(rows)
        self.known.sums += torch.cat([values.new_ones(1), values])
        alarms, suspicions = [], []
        for place, value in enumerate(values.tolist()):
            if self.listens_to(place):
                state, alarm = self.detector.step(before[place], value)
                self.known.write(place, state)
                alarms.append(alarm)
                suspicions.append(self.detector.suspects(state))
        if any(alarms):
            self.known.alarms += 1
            self.on_alarm(Window(rows, (before[0], before[1])))
            self._begin_anew()
        if not any(suspicions):
            if not begins:
                self.model.rescale(self.transitions.split(rows))
            self.transitions.remember(rows)
        self._learn()
        return any(alarms)

    def _learn(self) -> None:
        assert self.generator is not None
        if self.transitions.n_known:
            for _ in range(self.updates):
                self.model.learn(self.transitions.draw(BATCH, self.generator))

    def _begin_anew(self) -> None:
        """Forget what was usual, and the world that was."""
        for place in range(2):
            self.known.write(place, self.detector.begin())
        self.transitions.forget()


@final
class _Known(nn.Module):
    """What is known of the errors: buffers, to be saved."""

    states: Tensor
    alarms: Tensor
    sums: Tensor
    begun: Tensor

    def __init__(self, begun: Tensor) -> None:
        super().__init__()
        # Of the detectors of dynamics and reward.
        self.register_buffer("states", begun.repeat(2, 1))
        self.register_buffer("alarms", torch.zeros((), dtype=torch.int64))
        # Values since the last row of the log, and their sums.
        self.register_buffer("sums", torch.zeros(3, dtype=torch.float64))
        self.register_buffer("begun", torch.zeros((), dtype=torch.bool))

    def read(self, detector: Detector, place: int) -> Any:
        """Return a detector's state."""
        return unpack_state(detector.begin(), self.states[place].cpu().numpy())

    def write(self, place: int, state: Any) -> None:
        """Keep a detector's state."""
        self.states[place] = torch.from_numpy(pack_state(state))
