"""How often an off-policy agent learns from what it keeps."""

from __future__ import annotations

import math
from typing import final

from ...wrappers.errors import SettingsError


@final
class ReplayRatio:
    """Tells how many gradient steps are due for each environment transition.

    Fractions add up, so that after any number of transitions the gradient steps are `value` times
    as many, less a part of one. DreamerV3's `Ratio` (Hafner et al., 2023) has this form. Whoever
    adapts the ratio sets `value`: it holds from the next transition on.

    Args:
        value: gradient steps for each transition of each copy of the world, 0 or more.

    Raises:
        SettingsError: the value is negative or not finite.

    Example:
        >>> ratio = ReplayRatio(0.75)
        >>> [ratio(1) for _ in range(8)]
        [0, 1, 1, 1, 0, 1, 1, 1]
        >>> ReplayRatio(4)(n_transitions=8)
        32
    """

    def __init__(self, value: float) -> None:
        self.value = float(value)
        self.owed = 0.0
        """The part of a gradient step that is left over."""
        if not (math.isfinite(self.value) and self.value >= 0):
            raise SettingsError(f"replay_ratio must be 0 or more, not {value}")

    def __call__(self, n_transitions: int) -> int:
        """Return the gradient steps that are due.

        Args:
            n_transitions: how many came in since the last call, over all copies of the world.
        """
        self.owed += self.value * n_transitions
        # Sums of fractions such as 0.3 may miss a whole number by their rounding.
        due = int(self.owed + 1e-9)
        self.owed -= due
        return due

    def state_dict(self) -> dict[str, float]:
        """Return all that `load_state_dict` needs."""
        return {"value": self.value, "owed": self.owed}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from a saved state.

        Args:
            state: from `state_dict`.
        """
        self.value, self.owed = state["value"], state["owed"]
