"""ASH activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import nn

from ..activations import ASH as Activation
from ..bodies import network_bodies, replace_activations
from ..method import Method


@final
@dataclass(eq=False, repr=False)
class ASH(Method):
    """Of each layer only the units with the largest inputs answer.

    Lee et al., "Stochastic adaptive activation function" (2022); the hard variant, as a way to
    keep what was learned, LesserScholar/hard-ash. The output is x times a gate of
    z = sharpness * (x - mean - offset * deviation), with mean and standard deviation over the
    layer's units: sigmoid(z), or made of straight lines where `hard`. Their networks had one wide
    hidden layer with centred and normalised rows of weights, and Adagrad; none of this comes along.

    Example:
        >>> network = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
        >>> ASH(hard=True).network(network)
        >>> network[1]
        ASH(sharpness=3.0, offset=2.3, hard=True)
    """

    name: ClassVar[str] = "ash"
    brings: ClassVar[str | None] = "activation"

    hard: bool = False
    """Whether it is hard ASH: clip(x, 0, 2) times a gate of straight lines (hard-ash)."""

    sharpness: float = 3.0
    """How steep the gate is, more than 0 (hard-ash: 3)."""

    offset: float = 2.3
    """Standard deviations above the mean at which the gate is half open (hard-ash: 2.2 to 2.4)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("sharpness", self.sharpness > 0, "more than 0")

    def network(self, policy: nn.Module) -> None:
        """Replace the activations."""
        for body in network_bodies(policy):
            replace_activations(body, lambda: Activation(self.sharpness, self.offset, self.hard))
