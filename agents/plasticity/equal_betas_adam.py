"""Adam whose two running averages have one decay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from torch import nn
from torch.optim import Optimizer

from ..adam import Adam, require_known
from ..method import Method


@final
@dataclass(eq=False, repr=False)
class EqualBetasAdam(Method):
    """Adam with equal betas, "properly tuned Adam" (Dohare et al., Nature 632, 2024).

    With torch's betas a gradient that grows suddenly moves the policy far, for the mean follows it
    a hundred times sooner than the square does. With one decay for both no step is longer than the
    learning rate by much. In the published PPO it slowed down the collapse of plain Adam, and every
    run with continual backprop had it, with a weight decay of 1e-4; L2 alone had 1e-3. It is no
    general cure: where a supervised network memorises, it loses plasticity sooner.

    All else is the policy's `optimizer_kwargs`; SAC's temperature keeps its own Adam. Weights that
    another method resets step like a fresh Adam's.

    Example:
        >>> EqualBetasAdam(weight_decay=1e-4)
        EqualBetasAdam(beta=0.99, weight_decay=0.0001, decoupled=False)
    """

    name: ClassVar[str] = "equal-betas-adam"

    beta: float = 0.99
    """Decay of both running averages, in [0, 1) (published PPO: 0.99)."""

    weight_decay: float | None = None
    """Weight decay, 0 or more; None for the policy's (published: 1e-3 alone, 1e-4 with continual
    backprop)."""

    decoupled: bool = False
    """Whether the weight decay shrinks the weights, as in AdamW, or adds to the gradient
    (published: it adds to the gradient)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("beta", 0 <= self.beta < 1, "0 or more and less than 1")
        fits = self.weight_decay is None or self.weight_decay >= 0
        self.require("weight_decay", fits, "none, or 0 or more")

    def optimizer(
        self, parameters: Iterable[nn.Parameter], learning_rate: float, settings: Mapping[str, Any]
    ) -> Optimizer:
        """Return Adam with these betas.

        Raises:
            SettingsError: the policy's `optimizer_kwargs` have more than our Adam.
        """
        require_known(self.name, settings)
        own: dict[str, Any] = {"betas": (self.beta, self.beta)}
        if self.weight_decay is not None:
            own["weight_decay"] = self.weight_decay
        if self.decoupled:
            own["decoupled_weight_decay"] = True
        return Adam(parameters, learning_rate, **(dict(settings) | own))
