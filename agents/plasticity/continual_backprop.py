"""Continual backprop: a trickle of useless units is replaced by new ones, for ever."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from ..layers import HiddenLayer, Part, Units
from ..method import Method
from .units import Initializer, draw_weights, replace_units, require_units
from .utility import CENTERED, Utility, measure_utility


@final
@dataclass(eq=False, repr=False)
class ContinualBackprop(Method):
    """Continual backprop (Dohare et al., "Loss of plasticity in deep continual learning", 2024).

    Nature 632, Methods, equations 1 to 4 and Algorithm 1. After each gradient step, each hidden
    layer: every unit's utility, which by default is the sum of its outgoing weights' magnitudes
    times the mean magnitude of its output over the minibatch, and its mean output enter running
    averages, each corrected by the unit's own age. Of the units older than `maturity`, the share
    `replacement_rate` with the smallest utility is replaced: incoming weights are drawn anew,
    the bias is 0, outgoing weights are 0, and what the unit gave to the next layer on average
    is moved to that layer's biases. Output units are never replaced.

    The published code departs from the paper; `as_published` follows the code. It moves nothing
    to the next layer's biases (the running mean is cleared before it is used), never resets the
    optimizer (it is torch's Adam), and for replacement counts tosses a coin below 1 and cuts off
    the fraction above. In the published runs of PPO, Adam also had betas (0.99, 0.99) and weight
    decay 1e-4.

    It watches over the linear layers between the features and the outputs (SB3's `net_arch`); the
    units of a convolutional features extractor are left alone.

    Example:
        >>> ContinualBackprop(replacement_rate=1e-3).maturity
        10000
        >>> ContinualBackprop(replacement_rate=2.0)
        Traceback (most recent call last):
        ...
        everlearn.wrappers.errors.SettingsError: continual-backprop setting 'replacement_rate' \
must be from 0 to 1, not 2.0
    """

    name: ClassVar[str] = "continual-backprop"
    needs_features: ClassVar[bool] = True

    replacement_rate: float = 1e-4
    """Share of a layer's mature units replaced at each gradient step (published PPO: 1e-4)."""

    maturity: int = 10_000
    """Gradient steps during which a new unit is safe (published PPO: 1e4)."""

    decay: float = 0.99
    """Decay of the running averages, in [0, 1) (Nature, equation 1: 0.99)."""

    utility: Utility = "contribution"
    """What makes a unit useful, see `measure_utility` (Nature and published PPO: contribution)."""

    initializer: Initializer = "lecun"
    """Uniform law of the new incoming weights; default is torch's own (published PPO: lecun)."""

    bias_transfer: bool = True
    """Whether a unit's mean contribution moves to the next layer's bias (Nature, Methods)."""

    reset_optimizer: bool = True
    """Whether the optimizer forgets the replaced weights (Nature, Methods)."""

    accumulate: bool = True
    """Whether fractions of units to replace add up over the steps (Nature, Algorithm 1)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("replacement_rate", 0 <= self.replacement_rate <= 1, "from 0 to 1")
        self.require("maturity", self.maturity >= 0, "0 or more")
        self.require("decay", 0 <= self.decay < 1, "0 or more and less than 1")

    @classmethod
    def as_published(cls, **overrides: Any) -> ContinualBackprop:
        """Build the variant of the published code (shibhansh/loss-of-plasticity, 2024).

        Args:
            **overrides: settings that shall differ from it.

        Example:
            >>> ContinualBackprop.as_published(maturity=100).bias_transfer
            False
        """
        published = {"bias_transfer": False, "reset_optimizer": False, "accumulate": False}
        return cls(**(published | overrides))

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Register what is known of each unit.

        Raises:
            SettingsError: there is no hidden layer of linear units to watch over.
        """
        require_units(self.name, parts)
        self.generator = torch.Generator().manual_seed(seed)
        paces = {part.name: _Pace() for part in parts}
        known = {
            part.name: [_Known(layer, paces[part.name]) for layer in part.hidden] for part in parts
        }
        self.units = nn.ModuleDict({name: nn.ModuleList(layers) for name, layers in known.items()})
        # The same without the detour over modules, which each step would feel.
        self._known, self._paces = known, paces

    def observe(self, name: str, layers: Sequence[Units]) -> None:
        """Update the running averages."""
        if self.replacement_rate == 0:
            return
        for layer, known in zip(layers, self._known[name], strict=True):
            known.observe(layer, self.utility, self.decay)

    def after_step(self, part: Part) -> None:
        """Replace what is due."""
        if self.replacement_rate == 0:
            return
        if not part.observed:
            self.observe(part.name, part.units())
        pace = self._paces[part.name]
        pace.lag += 1
        if pace.lag < pace.wait:
            return
        n_steps, pace.lag = pace.lag, 0
        # From the input to the output: a layer's new incoming weights overwrite the zeros that
        # the layer below has just put there.
        for layer, known in zip(part.hidden, self._known[part.name], strict=True):
            n_replaced = self._count_due(known, n_steps)
            if n_replaced > 0:
                self._replace(part, layer, known, self._choose(known, n_replaced))
        if self.accumulate:
            pace.wait = min(known.count.steps_to_wait() for known in self._known[part.name])

    def after_iteration(self) -> dict[str, float]:
        """Return the number of units replaced so far in each part."""
        return {
            f"plasticity/{name}/replaced_units": float(
                sum(known.replaced.item() for known in self._known[name])
            )
            for name in self.units
        }

    def _count_due(self, known: _Known, n_steps: int) -> int:
        """Count steps, and return how many units are to be replaced after the last of them."""
        count = known.count
        count.add(n_steps - 1)
        count.n_steps += 1
        if count.n_steps >= count.next_maturity:
            known.review(self.maturity)
        count.increment = self.replacement_rate * count.n_mature
        count.due += count.increment
        if self.accumulate:
            n_replaced = min(int(count.due), count.n_mature)
            count.due -= n_replaced
            return n_replaced
        due, count.due = count.due, 0.0
        if 0 < due < 1:
            return int(torch.rand((), generator=self.generator, dtype=torch.float64).item() < due)
        return int(due)

    def _choose(self, known: _Known, n_replaced: int) -> Tensor:
        utility = known.utility / known.weight
        if self.utility == "random":
            utility = torch.rand(len(utility), generator=self.generator).to(utility)
        utility = utility.masked_fill(known.age <= self.maturity, math.inf)
        return utility.topk(n_replaced, largest=False, sorted=False).indices

    def _replace(self, part: Part, layer: HiddenLayer, known: _Known, replaced: Tensor) -> None:
        units: Any = replaced
        if len(replaced) == 1:
            # Slices are several times cheaper than lists of indices, and mostly one unit is due.
            units = slice(int(replaced), int(replaced) + 1)
        if self.bias_transfer:
            mean_output = (known.mean_output / known.weight)[units]
            for outgoing in layer.outgoing:
                if outgoing.bias is not None:
                    outgoing.bias.add_(outgoing.weight[:, units] @ mean_output)
        weights = draw_weights(layer, len(replaced), self.initializer, self.generator)
        replace_units(part, layer, units, weights, reset_optimizer=self.reset_optimizer)
        known.forget(units, len(replaced))


@final
@dataclass
class _Pace:
    """When a part is looked at again: in the steps between, nothing can be due."""

    lag: int = 0
    """Steps that are not counted yet."""
    wait: int = 1
    """The lag at which something may be due."""


@final
@dataclass
class _Count:
    """How far a layer is, in plain numbers: they cost a step next to nothing."""

    n_steps: int = 0
    due: float = 0.0
    n_mature: int = 0
    next_maturity: int = 0
    """The step at which more units than `n_mature` may be mature."""
    increment: float = 0.0
    """What a step adds to `due`."""

    def add(self, n_steps: int) -> None:
        """Count steps in which nothing was due, with the roundings of one after the other."""
        self.n_steps += n_steps
        for _ in range(n_steps):
            self.due += self.increment

    def steps_to_wait(self) -> int:
        """Return after how many steps something may be due, or one step less."""
        until_mature = self.next_maturity - self.n_steps
        if self.increment == 0:
            return until_mature
        return min(until_mature, int((1 - self.due) / self.increment))


@final
class _Known(nn.Module):
    """What continual backprop knows of the units of one layer."""

    averages: Tensor
    births: Tensor
    replaced: Tensor

    def __init__(self, layer: HiddenLayer, pace: _Pace) -> None:
        super().__init__()
        weight = layer.incoming.weight
        self.register_buffer("averages", weight.new_zeros(3, layer.width))
        self.register_buffer("births", weight.new_zeros(layer.width, dtype=torch.int64))
        self.register_buffer("replaced", weight.new_zeros((), dtype=torch.int64))
        self.count, self.pace = _Count(), pace

    @property
    def utility(self) -> Tensor:
        return self.averages[0]

    @property
    def mean_output(self) -> Tensor:
        return self.averages[1]

    @property
    def age(self) -> Tensor:
        return self.count.n_steps + self.pace.lag - self.births

    @property
    def weight(self) -> Tensor:
        """The averages' weights, 1 - decay**age, which correct their bias towards 0."""
        return self.averages[2]

    def observe(self, units: Units, kind: Utility, decay: float) -> None:
        output = units.features.mean(dim=0)
        # Row by row: compiled code would build a tensor of all three before it uses it.
        self.mean_output.lerp_(output, 1 - decay)
        self.weight.lerp_(torch.ones_like(output), 1 - decay)
        mean_output = self.mean_output / self.weight if kind in CENTERED else self.mean_output
        self.utility.lerp_(measure_utility(kind, units, mean_output), 1 - decay)

    def review(self, maturity: int) -> None:
        """Count the units that are older than `maturity`, and tell when there will be more."""
        young = self.age <= maturity
        self.count.n_mature = int((~young).sum())
        mature_at = self.births[young] + maturity + 1
        self.count.next_maturity = int(mature_at.min()) if len(mature_at) else sys.maxsize

    def forget(self, units: Any, n_units: int) -> None:
        self.averages[:, units] = 0
        self.births[units] = self.count.n_steps
        self.replaced += n_units
        self.count.next_maturity = 0

    def get_extra_state(self) -> Tensor:
        now = replace(self.count)
        now.add(self.pace.lag)
        return torch.tensor([now.n_steps, now.due], dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        self.count = _Count(int(state[0]), float(state[1]))
        self.pace.lag, self.pace.wait = 0, 1
