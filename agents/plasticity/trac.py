"""An optimizer around Adam that learns by itself how far to leave the first weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..adam import Adam, require_known
from ..method import Method


@final
@dataclass(eq=False, repr=False)
class TRAC(Method):
    """TRAC (Muppidi et al., "Fast TRAC", NeurIPS 2024, Algorithms 1 and 2).

    The weights are those of the beginning plus a scale S times the way that Adam would have gone
    from there; S comes from online learners with six discounts, without a setting to be tuned. It
    begins so small that hardly anything moves for the first 50 updates or so; in single precision
    only weights near 0, such as biases, can take the first steps, and without any S stays small.

    It is `TRAC` of pytorch-optimizer, whose state, other than that of the authors' package,
    survives saving and loading, around our Adam with the policy's `optimizer_kwargs`. SAC's actor
    and critics have a scale each; its temperature keeps its own Adam. Weights that another method
    resets begin at their new values as if they had been there from the start, with a fresh Adam.

    Example:
        >>> TRAC().initial_scale
        1e-08
    """

    name: ClassVar[str] = "trac"

    initial_scale: float = 1e-8
    """What every learner's scale begins with, more than 0 (paper: 1e-8)."""

    epsilon: float = 1e-8
    """What keeps divisions finite, more than 0 (paper: 1e-8)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        for setting in ("initial_scale", "epsilon"):
            self.require(setting, getattr(self, setting) > 0, "more than 0")

    def optimizer(
        self, parameters: Iterable[nn.Parameter], learning_rate: float, settings: Mapping[str, Any]
    ) -> Optimizer:
        """Return the optimizer.

        Raises:
            SettingsError: the policy's `optimizer_kwargs` have more than our Adam.
        """
        # Only where it is needed: it takes a second or two.
        import pytorch_optimizer

        require_known(self.name, settings)
        adam = Adam(parameters, learning_rate, **settings)

        class ResettableTRAC(pytorch_optimizer.TRAC):
            """With a `reset` for single weights."""

            @torch.no_grad()
            def reset(self, parameter: Tensor, index: Any) -> None:
                """Make some elements as new: they begin where they are now."""
                adam.reset(parameter, index)
                if "trac" in self.state:
                    self.state["trac"][parameter][index] = parameter[index]

        return ResettableTRAC(adam, s_prev=self.initial_scale, eps=self.epsilon)
