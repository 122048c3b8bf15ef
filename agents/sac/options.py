"""How SAC's update may differ from stable-baselines3's."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, final

from ...wrappers.errors import SettingsError, unknown


@final
@dataclass(frozen=True)
class SACOptions:
    """What stable-baselines3's update has no place for; the defaults are what it does.

    Example:
        >>> SACOptions(actor_delay=2).departures()
        ['actor_delay']
    """

    actor_delay: int = 1
    """Critic steps for each step of actor and temperature, counted over the run."""

    target_critics: int | None = None
    """How many target networks, drawn anew for each step, give the target; None for all."""

    actor_value: Literal["min", "mean"] = "min"
    """Which of the critics' values the actor raises."""

    target_value: Literal["min", "mean"] = "min"
    """Which of the target networks' values the critics are to predict."""

    entropy_backup: bool = True
    """Whether the entropy of next actions is part of the critics' targets."""

    entropy_weights: tuple[float, ...] | None = None
    """Weight of each action dimension in the entropy; None for 1 each."""

    bfloat16: bool = False
    """Whether products between hidden layers are computed in bfloat16."""

    def departures(self) -> list[str]:
        """Return the names of the options that differ from stable-baselines3."""
        return [field.name for field in fields(self) if getattr(self, field.name) != field.default]

    def check(self) -> None:
        """Raise `SettingsError` for an option out of its range."""
        if self.actor_delay < 1:
            raise SettingsError(f"actor_delay must be 1 or more, not {self.actor_delay}")
        if self.target_critics is not None and self.target_critics < 1:
            raise SettingsError(f"target_critics must be 1 or more, not {self.target_critics}")
        for name in ("actor_value", "target_value"):
            if getattr(self, name) not in ("min", "mean"):
                raise unknown(name, getattr(self, name), ("min", "mean"))

    def check_sizes(self, n_critics: int, n_actions: int) -> None:
        """Raise `SettingsError` for an option that does not fit the networks.

        Args:
            n_critics: number of critics.
            n_actions: dimensions of an action.
        """
        if self.target_critics is not None and self.target_critics > n_critics:
            raise SettingsError(
                f"target_critics must be {n_critics} or less, as there are {n_critics} critics, "
                f"not {self.target_critics}"
            )
        weights = self.entropy_weights
        if weights is not None and len(weights) != n_actions:
            raise SettingsError(
                f"entropy_weights needs one weight for each of the {n_actions} action "
                f"dimensions, not {len(weights)}"
            )
