"""ReDo: units that hardly respond are recycled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from ..layers import Part, compute_features
from .occasional import Occasional
from .units import Law, recycle_units, require_units


@final
@dataclass(eq=False, repr=False)
class ReDo(Occasional):
    """ReDo (Sokar et al., "The dormant neuron phenomenon in deep RL", 2023, Algorithm 1).

    At each occasion, in each hidden layer: a unit's score is the mean magnitude of its output over
    the last training batch, divided by the mean of that over the layer's units (the paper says
    that scores sum to 1; the published code divides by the mean, and so do its thresholds). Units
    whose score is at most `dormant_threshold` are recycled: incoming weights are drawn anew, the
    bias is 0, outgoing weights are 0, and the optimizer forgets both, its step count included
    (dopamine's code keeps the count, so that the first steps are up to 3.16 times too large).

    Output units are never recycled. Target networks follow by Polyak averaging. Between its
    occasions it costs nothing but a count.

    Example:
        >>> ReDo(every_updates=500).dormant_threshold
        0.1
    """

    name: ClassVar[str] = "redo"
    waits_for_step: ClassVar[bool] = True

    every_updates: int | None = 1000
    """Gradient steps from one occasion to the next, or none (Sokar et al. 2023, DQN: 1000)."""

    dormant_threshold: float = 0.1
    """Score up to which a unit is recycled, 0 or more (Sokar et al. 2023: 0.1)."""

    initializer: Law = "network"
    """Law of the new incoming weights; "network" is the network's own (Sokar et al. 2023,
    Algorithm 1), "xavier" is what dopamine's code uses."""

    reset_optimizer: bool = True
    """Whether the optimizer forgets recycled weights (published code: yes)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("dormant_threshold", self.dormant_threshold >= 0, "0 or more")

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Begin to count.

        Raises:
            SettingsError: there is no hidden layer of linear units.
        """
        require_units(self.name, parts)
        super().attach(parts, seed)
        weight = parts[0].parameters[0]
        for part in parts:
            self.register_buffer(f"{part.name}_replaced", weight.new_zeros((), dtype=torch.int64))

    def act(self) -> None:
        """Recycle dormant units."""
        seed = self.draw_seed() if self.initializer == "network" else 0
        for part in self.parts:
            features = compute_features(part.hidden, part.recall())
            masks = [find_dormant(units, self.dormant_threshold) for units in features]
            n_replaced = recycle_units(
                part, masks, self.initializer, seed, self.generator, self.reset_optimizer
            )
            self.get_buffer(f"{part.name}_replaced").add_(n_replaced)

    def after_iteration(self) -> dict[str, float]:
        """Return how often it has acted, and the units recycled so far in each part."""
        replaced = {
            f"plasticity/{part.name}/replaced_units": float(
                self.get_buffer(f"{part.name}_replaced").item()
            )
            for part in self.parts
        }
        return super().after_iteration() | replaced


def find_dormant(features: Tensor, threshold: float) -> Tensor:
    """Return which units are dormant (Sokar et al. 2023, Definition 3.1), of shape (width,).

    Args:
        features: the units' outputs, of shape (batch, width).
        threshold: largest score of a dormant unit, 0 or more.

    Example:
        >>> find_dormant(torch.tensor([[1.0, 0.0, -3.0, 0.1]]), 0.1)
        tensor([False,  True, False,  True])
    """
    magnitude = features.abs().mean(dim=0)
    # Multiplied out, so that a layer without any activity is wholly dormant instead of 0 / 0.
    return magnitude <= threshold * magnitude.mean()
