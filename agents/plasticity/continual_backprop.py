"""Continual backprop: a trickle of useless units is replaced by new ones, for ever."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast, final

import torch
from torch import Tensor, nn

from ...wrappers.errors import SettingsError
from ..layers import HiddenLayer, Part, Units
from ..method import Method


@final
@dataclass(eq=False, repr=False)
class ContinualBackprop(Method):
    """Continual backprop (Dohare et al., "Loss of plasticity in deep continual learning", 2024).

    Nature 632, Methods, equations 1 to 4 and Algorithm 1. After each gradient step, each hidden
    layer: every unit's contribution utility, which is the sum of its outgoing weights' magnitudes
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

    initializer: Literal["lecun", "kaiming", "xavier", "default"] = "lecun"
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
        if not any(part.hidden for part in parts):
            raise SettingsError(
                f"{self.name} needs a hidden linear layer between features and outputs: "
                "give policy_kwargs a net_arch"
            )
        self.generator = torch.Generator().manual_seed(seed)
        known = {part.name: [_Known(layer) for layer in part.hidden] for part in parts}
        self.units = nn.ModuleDict({name: nn.ModuleList(layers) for name, layers in known.items()})
        # The same without the detour over modules, which each step would feel.
        self._known = known

    def observe(self, name: str, layers: Sequence[Units]) -> None:
        """Update the running averages."""
        if self.replacement_rate == 0:
            return
        for layer, known in zip(layers, self._known[name], strict=True):
            known.observe(layer, self.decay)

    def after_step(self, part: Part) -> None:
        """Replace what is due."""
        if self.replacement_rate == 0:
            return
        if not part.observed:
            self.observe(part.name, part.units())
        # From the input to the output: a layer's new incoming weights overwrite the zeros that
        # the layer below has just put there.
        for layer, known in zip(part.hidden, self._known[part.name], strict=True):
            n_replaced = self._count_due(known)
            if n_replaced > 0:
                self._replace(part, layer, known, self._choose(known, n_replaced))

    def after_iteration(self) -> dict[str, float]:
        """Return the number of units replaced so far in each part."""
        return {
            f"plasticity/{name}/replaced_units": float(
                sum(known.replaced.item() for known in self._known[name])
            )
            for name in self.units
        }

    def _count_due(self, known: _Known) -> int:
        """Count one more step, and return how many units are to be replaced after it."""
        count = known.count
        count.n_steps += 1
        if count.n_steps >= count.next_maturity:
            known.review(self.maturity)
        count.due += self.replacement_rate * count.n_mature
        if self.accumulate:
            n_replaced = min(int(count.due), count.n_mature)
            count.due -= n_replaced
            return n_replaced
        due, count.due = count.due, 0.0
        if 0 < due < 1:
            return int(torch.rand((), generator=self.generator, dtype=torch.float64).item() < due)
        return int(due)

    def _choose(self, known: _Known, n_replaced: int) -> Tensor:
        utility = known.utility / known.bias_correction(self.decay)
        utility = utility.masked_fill(known.age <= self.maturity, math.inf)
        return utility.topk(n_replaced, largest=False, sorted=False).indices

    def _replace(self, part: Part, layer: HiddenLayer, known: _Known, replaced: Tensor) -> None:
        units: Any = replaced
        if len(replaced) == 1:
            # Slices are several times cheaper than lists of indices, and mostly one unit is due.
            units = slice(int(replaced), int(replaced) + 1)
        if self.bias_transfer:
            mean_output = (known.mean_output / known.bias_correction(self.decay))[units]
            for outgoing in layer.outgoing:
                if outgoing.bias is not None:
                    outgoing.bias.add_(outgoing.weight[:, units] @ mean_output)
        for parameter, index, value in self._renewal(layer, units, len(replaced)):
            parameter[index] = value
            if self.reset_optimizer:
                part.reset_optimizer(parameter, index)
        known.forget(units, len(replaced))

    def _renewal(
        self, layer: HiddenLayer, units: Any, n_units: int
    ) -> list[tuple[Tensor, Any, Any]]:
        """Return each parameter, the elements that belong to the units, and their new values."""
        incoming = layer.incoming
        drawn = torch.rand(n_units, incoming.in_features, generator=self.generator)
        weights = ((2 * drawn - 1) * _bound(self.initializer, layer)).to(incoming.weight)
        renewal: list[tuple[Tensor, Any, Any]] = [
            (incoming.weight, units, weights),
            (incoming.bias, units, 0.0),
        ]
        for norm in (module for module in layer.between if isinstance(module, nn.LayerNorm)):
            renewal += [(norm.weight, units, 1.0), (norm.bias, units, 0.0)]
        for outgoing in layer.outgoing:
            renewal.append((outgoing.weight, (slice(None), units), 0.0))
        return [entry for entry in renewal if entry[0] is not None]


@final
@dataclass
class _Count:
    """What each step looks at: plain numbers, so that a step with nothing due costs nothing."""

    n_steps: int = 0
    due: float = 0.0
    n_mature: int = 0
    next_maturity: int = 0
    """The step at which more units than `n_mature` may be mature."""


@final
class _Known(nn.Module):
    """What continual backprop knows of the units of one layer."""

    averages: Tensor
    births: Tensor
    replaced: Tensor

    def __init__(self, layer: HiddenLayer) -> None:
        super().__init__()
        if layer.incoming.out_features != layer.width:
            raise SettingsError(
                f"continual-backprop needs one output a unit, but {layer.activation} makes "
                f"{layer.width} of {layer.incoming.out_features}"
            )
        weight = layer.incoming.weight
        self.register_buffer("averages", weight.new_zeros(2, layer.width))
        self.register_buffer("births", weight.new_zeros(layer.width, dtype=torch.int64))
        self.register_buffer("replaced", weight.new_zeros((), dtype=torch.int64))
        self.count = _Count()

    @property
    def utility(self) -> Tensor:
        return self.averages[0]

    @property
    def mean_output(self) -> Tensor:
        return self.averages[1]

    @property
    def age(self) -> Tensor:
        return self.count.n_steps - self.births

    def observe(self, units: Units, decay: float) -> None:
        reach = sum(weight.abs().sum(dim=0) for weight in units.outgoing)
        contribution = units.features.abs().mean(dim=0) * reach
        present = torch.stack([contribution, units.features.mean(dim=0)])
        self.averages.lerp_(present, 1 - decay)

    def review(self, maturity: int) -> None:
        """Count the units that are older than `maturity`, and tell when there will be more."""
        young = self.age <= maturity
        self.count.n_mature = int((~young).sum())
        mature_at = self.births[young] + maturity + 1
        self.count.next_maturity = int(mature_at.min()) if len(mature_at) else sys.maxsize

    def bias_correction(self, decay: float) -> Tensor:
        if decay == 0:
            return torch.ones_like(self.utility)
        return torch.expm1(self.age * math.log(decay)).neg_().to(self.averages)

    def forget(self, units: Any, n_units: int) -> None:
        self.averages[:, units] = 0
        self.births[units] = self.count.n_steps
        self.replaced += n_units
        self.count.next_maturity = 0

    def get_extra_state(self) -> Tensor:
        return torch.tensor([self.count.n_steps, self.count.due], dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        self.count = _Count(int(state[0]), float(state[1]))


def _bound(initializer: str, layer: HiddenLayer) -> float:
    """Return the b of the uniform law on [-b, b], as torch's and the paper's initialisers do."""
    fan_in, fan_out = layer.incoming.in_features, layer.incoming.out_features
    if initializer == "default":
        return math.sqrt(1 / fan_in)
    if initializer == "lecun":
        return math.sqrt(3 / fan_in)
    if initializer == "kaiming":
        return _gain(layer.activation) * math.sqrt(3 / fan_in)
    return _gain(layer.activation) * math.sqrt(6 / (fan_in + fan_out))


def _gain(activation: nn.Module) -> float:
    """Return the gain of an activation; those without one of their own get that of ReLU."""
    if isinstance(activation, nn.LeakyReLU):
        return nn.init.calculate_gain("leaky_relu", activation.negative_slope)
    named = {nn.Tanh: "tanh", nn.Sigmoid: "sigmoid", nn.SELU: "selu", nn.Linear: "linear"}
    return nn.init.calculate_gain(cast(Any, named.get(type(activation), "relu")))
