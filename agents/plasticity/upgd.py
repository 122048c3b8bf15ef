"""Utility-based perturbed gradient descent: what is useful is protected, the rest is perturbed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.optim import Optimizer

from ..flat_adam import AdamSettings
from ..flat_optimizer import FlatOptimizer
from ..layers import Part
from ..method import Method

UTILITY = "utility"
"""Where the state keeps the running average of the utility."""

N_STRETCHES = 128
"""How many steps take their noise from one block of normal numbers."""


@final
@dataclass(eq=False, repr=False)
class UPGD(Method):
    """UPGD and adaptive UPGD (Elsayed and Mahmood, ICLR 2024), in place of Adam.

    "Addressing loss of plasticity and catastrophic forgetting in continual learning", Algorithms 1,
    2 and 5. The utility of a weight w with gradient g is -g w, averaged over the steps and
    corrected as in Adam; scaled by the largest of all (or by the norm of its row) and squashed to
    s, from 0 to 1, it holds back the gradient and the normal noise n:

        w <- (1 - rate * weight_decay) * w - rate * (g + n) * (1 - s)

    Without `protecting`, it is the noise alone that is held back. With `adaptive`, Adam's direction
    stands for g. A weight of no utility moves at half the rate, for its s is 1/2.

    The released code departs from the paper: `form="released"` doubles the rate, so that a weight
    of no utility moves at the whole of it, and divides corrected utilities by the largest
    uncorrected one. In the first 1 / (1 - utility_decay) steps that freezes the most useful weights
    and doubles the steps of harmful ones; later both forms agree but for the factor. Where the
    largest utility is negative (the released code then protects the most harmful weights) the paper
    form protects none, and where all are 0 (there it divides by 0) every s is 1/2.

    Normal numbers cost more than all the rest of a step. They are drawn in blocks of four times as
    many as there are weights; each of 128 steps takes a stretch of one from a random place. So a
    weight's noise is independent from step to step, and weights share a number only in different
    steps.

    Of weights that another method resets, it forgets all: their averages begin anew, and their
    utility grows from 0. The policy's `optimizer_kwargs` are not used, and neither is SAC's
    temperature optimized by it. Both networks of PPO share an optimizer and hence the largest
    utility; SAC's actor and critics have one each.

    Example:
        >>> UPGD(noise=0.01).adaptive
        True
        >>> UPGD.as_published().form
        'released'
    """

    name: ClassVar[str] = "upgd"

    adaptive: bool = True
    """Whether Adam's direction stands for the gradient (the paper's RL experiments: yes)."""

    scaling: Literal["global", "local"] = "global"
    """What utilities are compared with: the largest of all (Algorithm 1), or the norm of the
    weights that share a row (Algorithm 2)."""

    protecting: bool = True
    """Whether useful weights are spared the gradient too, and not the noise alone (Algorithm 1)."""

    noise: float = 1e-3
    """Standard deviation of the noise, 0 or more (paper, appendix I.6: 1e-3)."""

    utility_decay: float = 0.999
    """Decay of the utility's running average, in [0, 1) (appendix I.6: 0.999)."""

    weight_decay: float = 0.0
    """Decoupled weight decay, 0 or more (0 as for Adam; the released RL script has 1e-3)."""

    beta1: float = 0.9
    """Decay of the gradient's running average, where adaptive (appendix I.6: 0.9)."""

    beta2: float = 0.999
    """Decay of the squared gradient's running average, where adaptive (appendix I.6: 0.999)."""

    epsilon: float = 1e-5
    """What Adam's denominator has besides, where adaptive (appendix I.6: 1e-5)."""

    form: Literal["paper", "released"] = "paper"
    """Whether the paper's equations hold or the released code's."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        for setting in ("noise", "weight_decay", "epsilon"):
            self.require(setting, getattr(self, setting) >= 0, "0 or more")
        for setting in ("utility_decay", "beta1", "beta2"):
            self.require(setting, 0 <= getattr(self, setting) < 1, "0 or more and less than 1")

    @classmethod
    def as_published(cls, **overrides: Any) -> UPGD:
        """Build the variant of the released RL script (mohmdelsayed/upgd, 2024).

        Args:
            **overrides: settings that shall differ from it.
        """
        published: dict[str, Any] = {"form": "released", "weight_decay": 1e-3}
        return cls(**(published | overrides))

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Seed the noise."""
        assert self.generator is not None
        self.generator.manual_seed(seed)

    def optimizer(
        self, parameters: Iterable[nn.Parameter], learning_rate: float, settings: Mapping[str, Any]
    ) -> Optimizer:
        """Return the optimizer; all that an agent has share one source of noise."""
        members = list(parameters)
        if self.generator is None:
            self.generator = torch.Generator(members[0].device)
        return UPGDOptimizer(members, learning_rate, self, self.generator)


@final
class UPGDOptimizer(FlatOptimizer):
    """The optimizer of `UPGD`.

    Args:
        params: the parameters.
        lr: the rate.
        method: whose settings hold.
        generator: of the noise.
    """

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float, method: UPGD, generator: torch.Generator
    ) -> None:
        adam = AdamSettings((method.beta1, method.beta2), method.epsilon, 0.0)
        memory = (UTILITY,)
        kept = adam if method.adaptive else None
        super().__init__(params, lr, kept, method.weight_decay, memory, noise_seed=-1)
        self._method = method
        self._generator = generator
        self._block = torch.empty(0)
        self._block_seed = -1
        self._starts: list[int] = []

    def change(self, gradient: Tensor, direction: Tensor) -> None:
        """Add the noise to the direction, each held back as the method wants it."""
        method, steps = self._method, self.param_groups[0]["steps"]
        decay, utility = method.utility_decay, self.flat[UTILITY]
        utility.mul_(decay)
        gradients: list[Any] = [parameter.grad for parameter in self.moving]
        weights: list[Any] = self.moving
        torch._foreach_addcmul_(self.pieces[UTILITY], gradients, weights, value=decay - 1)
        unprotected = self._unprotected(utility, 1 - decay**steps)
        noise = self._draw(direction) if method.noise > 0 else None
        if noise is not None:
            direction.add_(noise if method.protecting else unprotected.mul(noise))
        if method.protecting:
            direction.mul_(unprotected)
        if method.form == "released":
            direction.mul_(2)

    def _unprotected(self, utility: Tensor, weight: float) -> Tensor:
        """Return 1 - s for each element, of which `weight` is the bias correction."""
        if self._method.scaling == "local":
            pieces = self.pieces[UTILITY]
            scaled = [normalize(piece, dim=-1) if piece.ndim else piece.sign() for piece in pieces]
            return torch.cat([piece.reshape(-1) for piece in scaled]).neg_().sigmoid_()
        largest, tiny = utility.amax(), torch.finfo(utility.dtype).tiny
        if self._method.form == "released":
            return (utility / (-weight * torch.where(largest == 0, tiny, largest))).sigmoid_()
        # The same correction above and below leaves the ratio as it is.
        return (utility / -largest.clamp_min(tiny)).sigmoid_()

    def _draw(self, like: Tensor) -> Tensor:
        """Return the noise of this step: a stretch, at a random place, of a block."""
        (group,) = self.param_groups
        turn = (group["steps"] - 1) % N_STRETCHES
        if turn == 0:
            drawn = torch.randint(2**62, (), generator=self._generator, device=like.device)
            group["noise_seed"] = int(drawn)
        if group["noise_seed"] != self._block_seed or self._block.dtype != like.dtype:
            self._block_seed = group["noise_seed"]
            generator = torch.Generator(like.device).manual_seed(self._block_seed)
            total = sum(parameter.numel() for parameter in group["params"])
            self._block = like.new_empty(max(4 * total, 2**16))
            self._block.normal_(0.0, self._method.noise, generator=generator)
            places = len(self._block) - total + 1
            starts = torch.randint(places, (N_STRETCHES,), generator=generator, device=like.device)
            self._starts = starts.tolist()
        start = self._starts[turn]
        return self._block[start : start + len(like)]
