"""The optimizer that moves every weight equally far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from torch import nn
from torch.optim import Optimizer

from ..method import Method


@final
@dataclass(eq=False, repr=False)
class Lion(Method):
    """Lion (Chen et al., "Symbolic discovery of optimization algorithms" (2023), Algorithm 2).

    Each weight moves by the learning rate in the direction of the sign of beta1 m + (1 - beta1) g;
    then m becomes beta2 m + (1 - beta2) g. With weight decay d it keeps every weight within 1 / d
    (Chen et al., "Lion secretly solves constrained optimization" (2024)). Its learning rate should
    be 3 to 10 times smaller than Adam's, and d as many times larger.

    It is `Lion` of pytorch-optimizer; the policy's `optimizer_kwargs` are not used, and SAC's
    temperature keeps its own Adam. Weights that another method resets have m = 0, as new ones.

    Example:
        >>> Lion(weight_decay=0.1).beta2
        0.99
    """

    name: ClassVar[str] = "lion"

    beta1: float = 0.9
    """How much of m is in a step, in [0, 1) (paper: 0.9)."""

    beta2: float = 0.99
    """Decay of m, in [0, 1) (paper: 0.99)."""

    weight_decay: float = 0.0
    """Decoupled weight decay, 0 or more (0 as for Adam)."""

    cautious: bool = False
    """Whether steps against the gradient are left out (Liang et al., "Cautious optimizers")."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        for setting in ("beta1", "beta2"):
            self.require(setting, 0 <= getattr(self, setting) < 1, "0 or more and less than 1")
        self.require("weight_decay", self.weight_decay >= 0, "0 or more")

    def optimizer(
        self, parameters: Iterable[nn.Parameter], learning_rate: float, settings: Mapping[str, Any]
    ) -> Optimizer:
        """Return the optimizer."""
        # Only where it is needed: it takes a second or two.
        import pytorch_optimizer

        return pytorch_optimizer.Lion(
            list(parameters),
            learning_rate,
            betas=(self.beta1, self.beta2),
            weight_decay=self.weight_decay,
            cautious=self.cautious,
        )
