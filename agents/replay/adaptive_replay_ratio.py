"""A replay ratio that is low until the critics have kept or won back their plasticity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import ClassVar, Literal, final

import torch
from torch import Tensor, nn

from ...wrappers.errors import SettingsError
from ..diagnostics.units import active_units
from ..layers import Part
from ..method import Method
from .replay import Replay


@final
@dataclass(eq=False, repr=False)
class AdaptiveReplayRatio(Method):
    """Adaptive replay ratio (Ma et al. 2024): learn seldom while plasticity falls, then often.

    Ma et al., "Revisiting plasticity in visual reinforcement learning: data, modules and training
    stages", ICLR 2024, and its code (Guozheng-Ma/Adaptive-Replay-Ratio).

    The fraction of active units is measured on the batches that the critics learn from, before
    they do: the share of (transition, unit) pairs of all hidden layers of all critics whose
    output is positive. No batch is drawn for it, so that measuring changes nothing. Every
    `check_every` episodes its mean over the updates of the last `window` episodes is compared with
    that of the check before, and with that of the first batch at the first check. Where the two
    differ by no more than the tolerance, the ratio goes from `low` to `high`, once and for good.
    The tolerance is `gap`, or `noise` standard errors of the difference where that is more. As in
    the published rule, the trough of a curve counts as much as its plateau.

    With `rule="continuous"` (ours) the ratio follows the mean at each check, both ways: `low` up
    to `least_active`, `high` from `most_active` on, and geometrically in between.

    The agent's own replay ratio has no effect. Where several copies of the world end episodes
    together, a window ends with the first episodes that end it. `replay/active_units` and
    `replay/asked_ratio` are logged.

    Example:
        >>> AdaptiveReplayRatio(low=0.25, high=4).check_every
        50
    """

    name: ClassVar[str] = "adaptive-replay-ratio"
    needs_features: ClassVar[bool] = True

    low: float = 0.5
    """Gradient steps for each transition at first, more than 0 (published code: 0.5)."""

    high: float = 2.0
    """The same once plasticity has settled, `low` or more (published code: 2)."""

    rule: Literal["switch", "continuous"] = "switch"
    """Whether the ratio changes once (paper), or follows the fraction at each check (ours)."""

    check_every: int = 50
    """Episodes from one check to the next, over all copies (published code: 50)."""

    window: int = 1
    """Episodes before a check whose updates count, up to `check_every` (published code: 1)."""

    gap: float = 0.001
    """Largest difference that counts as none, 0 or more (published code: 0.001)."""

    noise: float = 2.0
    """Standard errors of the difference that count as none (ours; published code: 0)."""

    min_checks: int = 2
    """The check at which the ratio may change at the earliest (ours: at the first the fraction may
    not have begun to change; published code: 1)."""

    least_active: float = 0.35
    """Fraction up to which the continuous rule asks for `low` (ours: about where the paper's
    Quadruped Run is at its lowest, read off a figure)."""

    most_active: float = 0.45
    """Fraction from which it asks for `high` (ours: about where that run has recovered)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("low", self.low > 0, "more than 0")
        self.require("high", self.high >= self.low, f"low, which is {self.low}, or more")
        for name in ("check_every", "min_checks"):
            self.require(name, getattr(self, name) >= 1, "1 or more")
        fits = 1 <= self.window <= self.check_every
        self.require("window", fits, f"from 1 to check_every, which is {self.check_every}")
        for name in ("gap", "noise"):
            self.require(name, getattr(self, name) >= 0, "0 or more")
        self.require("most_active", 0 < self.most_active <= 1, "more than 0 and at most 1")
        fits = 0 <= self.least_active < self.most_active
        self.require("least_active", fits, f"0 or more and less than {self.most_active}")

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Begin to measure.

        Raises:
            SettingsError: the critics have hidden units of which it is not known when they are
                active, or none.
        """
        critics = [part for part in parts if part.name.startswith("critic")]
        layers = [layer for part in critics for layer in part.hidden]
        if not layers:
            raise SettingsError(f"{self.name} needs critics with hidden units")
        for layer in layers:
            if not (layer.skip or isinstance(layer.activation, nn.ReLU | nn.Tanh)):
                kind = type(layer.activation).__name__
                raise SettingsError(
                    f"{self.name} needs critics of ReLU or tanh units, not {kind}: where another "
                    "method brings it, leave out one of the two"
                )
        self._critics = critics
        self.watch = Watch(ratio=self.low)
        self._open_if_due()

    def after_step(self, part: Part) -> None:
        """Count the active units of a critic's batch, where they count."""
        watch = self.watch
        if part not in self._critics or (watch.opened < 0 and watch.before >= 0):
            return
        # What a residual block adds up is no unit's alone.
        for layer in (layer for layer in part.hidden if not layer.skip):
            assert layer.features is not None
            active = active_units(layer.features, layer.activation)
            assert active is not None
            watch.active += int(torch.count_nonzero(active))
            watch.units += active.numel()
        if part is self._critics[-1]:
            watch.end_update()

    def before_updates(self, replay: Replay) -> None:
        """Check if it is time, and set the ratio."""
        watch = self.watch
        # Where episodes are counted from 0 again, all of them are new.
        new = replay.episodes - watch.seen
        watch.seen = replay.episodes
        watch.episodes += new if new >= 0 else replay.episodes
        if watch.opened >= 0 and watch.updates and watch.episodes >= watch.opened + self.window:
            self._check()
        self._open_if_due()
        replay.ratio = watch.ratio

    def after_iteration(self) -> dict[str, float]:
        """Return the ratio that is asked for, and the fraction at the last check."""
        logged = {"replay/asked_ratio": self.watch.ratio}
        if self.watch.checks:
            logged["replay/active_units"] = self.watch.mean
        return logged

    def get_extra_state(self) -> Tensor:
        """Return all that was counted."""
        return torch.tensor([float(value) for value in astuple(self.watch)], dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        """Bring back all that was counted."""
        for field, value in zip(fields(self.watch), state.tolist(), strict=True):
            kind = type(getattr(self.watch, field.name))
            setattr(self.watch, field.name, kind(value))

    def _open_if_due(self) -> None:
        watch = self.watch
        if watch.opened < 0 and watch.episodes >= watch.checked + self.check_every - self.window:
            watch.opened = watch.episodes
            watch.updates, watch.total, watch.squares = 0, 0.0, 0.0

    def _check(self) -> None:
        watch = self.watch
        watch.checks += 1
        watch.mean, error = watch.average()
        if self.rule == "continuous":
            span = self.most_active - self.least_active
            share = min(max((watch.mean - self.least_active) / span, 0.0), 1.0)
            watch.ratio = self.low * (self.high / self.low) ** share
        elif watch.checks >= self.min_checks:
            tolerance = max(self.gap, self.noise * math.hypot(error, watch.error_before))
            if has_settled(watch.mean, watch.before, tolerance):
                watch.ratio = self.high
        watch.before, watch.error_before = watch.mean, error
        watch.opened, watch.checked = -1, watch.episodes


def has_settled(mean: float, before: float, tolerance: float) -> bool:
    """Tell whether a fraction has stopped to change.

    Args:
        mean: of the fraction, now.
        before: the same at the check before.
        tolerance: the largest difference that counts as none.

    Example:
        >>> curve = [0.49, 0.40, 0.3705, 0.37]
        >>> [has_settled(b, a, 0.001) for a, b in zip(curve, curve[1:], strict=False)]
        [False, False, True]
    """
    return abs(mean - before) <= tolerance


@final
@dataclass
class Watch:
    """What was counted so far: plain numbers, cheap to add to after each step."""

    ratio: float = 0.0
    """The ratio that is asked for."""
    active: int = 0
    """Active pairs of the update that is under way."""
    units: int = 0
    """All its pairs."""
    updates: int = 0
    """Updates in the open window."""
    total: float = 0.0
    """Sum of their fractions."""
    squares: float = 0.0
    """Sum of their squares."""
    before: float = -1.0
    """The mean at the last check, or the fraction of the first batch; -1 before that."""
    error_before: float = 0.0
    """Its standard error."""
    mean: float = -1.0
    """The mean at the last check, or -1 before it."""
    checks: int = 0
    episodes: int = 0
    """Episodes of the whole life."""
    seen: int = 0
    """The agent's count of episodes when it was last told."""
    checked: int = 0
    """Episodes at the last check."""
    opened: int = -1
    """Episodes when the window opened, or -1 while there is none."""

    def end_update(self) -> None:
        """Let the fraction of the update under way enter the window's mean."""
        fraction = self.active / self.units
        if self.before < 0:
            self.before = fraction
        self.updates += 1
        self.total += fraction
        self.squares += fraction * fraction
        self.active = self.units = 0

    def average(self) -> tuple[float, float]:
        """Return the window's mean, and its standard error over updates."""
        mean = self.total / self.updates
        variance = max(self.squares / self.updates - mean * mean, 0.0)
        return mean, math.sqrt(variance / self.updates)
