"""The continual resilient optimizer: each weight has a step size of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..method import Method


@final
@dataclass(eq=False, repr=False)
class CoRe(Method):
    """CoRe (Eckhoff and Reiher, "Lifelong machine learning potentials" (2023); "CoRe optimizer").

    As in RPROP, a weight's step size grows where the sign of the momentum stays and shrinks where
    it changes; the direction is Adam's. The learning rate is only what step sizes begin with.
    With `score_history`, the share `frozen` of each tensor's weights that have served the loss most
    stays as it is: stability against plasticity.

    It is the authors' own package, core-optimizer; pytorch-optimizer has none. The policy's
    `optimizer_kwargs` are not used, and SAC's temperature keeps its own Adam. Weights that another
    method resets have no memory and the first step size, but share the step count of the others.

    Example:
        >>> CoRe(largest_step=1e-3).frozen
        0.0
    """

    name: ClassVar[str] = "core"

    smallest_step: float = 1e-6
    """Lower bound of the step sizes, more than 0 (paper: 1e-6)."""

    largest_step: float = 1e-3
    """Upper bound of the step sizes (paper: 1e-2, and at most 1e-3 for minibatches)."""

    shrinkage: float = 0.7375
    """Factor of a step size where the sign changes, more than 0 and at most 1 (paper: 0.7375)."""

    growth: float = 1.2
    """Factor of a step size where the sign stays, 1 or more (paper: 1.2)."""

    weight_decay: float = 0.1
    """Weight decay by the length of the step, 0 or more (paper: 0.1)."""

    score_history: int = 0
    """Steps over which a weight's service is counted; 0 for no freezing (package: 0)."""

    frozen: float = 0.0
    """Share of each tensor's weights that is frozen, from 0 to 1 (package: 0)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("smallest_step", self.smallest_step > 0, "more than 0")
        fits = self.largest_step >= self.smallest_step
        self.require("largest_step", fits, f"at least smallest_step, {self.smallest_step}")
        self.require("shrinkage", 0 < self.shrinkage <= 1, "more than 0 and at most 1")
        self.require("growth", self.growth >= 1, "1 or more")
        self.require("weight_decay", self.weight_decay >= 0, "0 or more")
        self.require("score_history", self.score_history >= 0, "0 or more")
        self.require("frozen", 0 <= self.frozen <= 1, "from 0 to 1")

    def optimizer(
        self, parameters: Iterable[nn.Parameter], learning_rate: float, settings: Mapping[str, Any]
    ) -> Optimizer:
        """Return the optimizer."""
        # Only where it is needed: it is a package of its own.
        import core_optimizer

        class ResettableCoRe(core_optimizer.CoRe):
            """With a `reset` for single weights."""

            keeps_its_own_rates = True

            @torch.no_grad()
            def reset(self, parameter: Tensor, index: Any) -> None:
                """Make some elements as new, but for the step count."""
                for name, value in self.state.get(parameter, {}).items():
                    if isinstance(value, Tensor):
                        value[index] = learning_rate if name == "step_size" else 0

        return ResettableCoRe(
            parameters,
            learning_rate,
            step_sizes=(self.smallest_step, self.largest_step),
            etas=(self.shrinkage, self.growth),
            weight_decay=self.weight_decay,
            score_history=self.score_history,
            frozen=self.frozen,
        )
