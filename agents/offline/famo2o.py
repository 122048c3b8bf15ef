"""FamO2O on implicit Q-learning."""

from __future__ import annotations

from typing import Any, final

from stable_baselines3.common.policies import BasePolicy
from torch import Tensor

from ...wrappers.errors import unknown
from .agent import OfflineAgent, Rows
from .family import FamilyPolicy
from .family_steps import LEARNED, Drawn, move_family, require_range
from .implicit import require_expectile


@final
class FamO2O(OfflineAgent):
    """IQL with a family of policies, from careful to greedy, of which each state gets its own.

    Wang et al., "Train once, get a family: state-adaptive balances for offline-to-online
    reinforcement learning" (2023), on IQL. The actor is told a coefficient beta, which weighs
    advantages in its loss: any of the range offline, drawn anew for each row; the balance model's
    with `drawn="balance"`, which is how the published code learns online. The balance model raises
    the target critics' value of what the family, held fixed, does at its coefficient. In the order
    of the published code: V, balance model, its entropy's weight, actor, critics, targets.

    The actor acts at the balance model's likeliest coefficient. SAC can't start from it, as its
    actor sees more than observations; `OnlineFamO2O` does.

    Args:
        env: worlds whose actions are bounded vectors.
        data: what to learn from.
        coefficients: the range of beta, 0 or more (published code: 8 to 14 for AntMaze, where IQL
            has 10; the default is around IQL's 3 for locomotion, ours).
        expectile: from 0 to 1 (published code: 0.9 for AntMaze; IQL's 0.7 for locomotion).
        drawn: where the actor's coefficients come from: "uniform" or "balance".
        policy: the class of its networks.
        policy_kwargs: as for `FamilyPolicy`, without the coefficients.
        **settings: as for `OfflineAgent`.

    Raises:
        SettingsError: a number out of its range, or data that do not fit the worlds.

    Example:
        >>> import numpy as np
        >>> from everlearn.agents.replay.transitions import Transitions
        >>> ones = np.ones((50, 3), np.float32)
        >>> flags = np.zeros(50, np.bool_)
        >>> data = Transitions(ones, ones[:, :1], ones[:, 0], ones, flags, flags)
        >>> agent = FamO2O("Pendulum-v1", data, policy_kwargs={"net_arch": [8]}, device="cpu")
        >>> agent.learn(5).num_timesteps
        5
    """

    policy: FamilyPolicy

    def __init__(
        self,
        env: Any,
        data: Any = None,
        coefficients: tuple[float, float] = (1.0, 5.0),
        expectile: float = 0.7,
        drawn: Drawn = "uniform",
        policy: type[BasePolicy] = FamilyPolicy,
        policy_kwargs: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        own = {**(policy_kwargs or {}), "coefficients": require_range(coefficients)}
        require_expectile(expectile)
        if drawn not in ("uniform", "balance"):
            raise unknown("way to draw coefficients", drawn, ("uniform", "balance"))
        self.expectile, self.drawn = expectile, drawn
        super().__init__(policy, env, data, policy_kwargs=own, **settings)

    def _update(self, rows: Rows) -> dict[str, Tensor]:
        return move_family(self.policy, rows.batch, self.expectile, self.drawn, self.tau)

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        return list(LEARNED), []
