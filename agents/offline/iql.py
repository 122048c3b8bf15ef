"""Implicit Q-learning."""

from __future__ import annotations

from typing import Any, final

from stable_baselines3.common.policies import BasePolicy
from torch import Tensor

from ...wrappers.errors import SettingsError
from .agent import OfflineAgent, Rows
from .implicit import move_actor_and_critics, move_values, require_expectile
from .losses import gaussian_log_prob
from .policies import IQLPolicy


@final
class IQL(OfflineAgent):
    """Implicit Q-learning: no action outside of the data is ever valued.

    Kostrikov et al., "Offline reinforcement learning with implicit Q-learning" (2022). V is an
    expectile of the target critics' least values of the data's actions (equation 5), critics are
    regressed on r + gamma V(s') (equation 6), and the actor imitates actions by their advantages
    (equation 7). In the order of the published code: V, actor with the new V, critics with the new
    V, targets. The actor's learning rate is constant; the published code lets it fall (cosine).

    Args:
        env: worlds whose actions are bounded vectors.
        data: what to learn from.
        expectile: from 0 to 1 (paper: 0.7 for locomotion, 0.9 for AntMaze).
        temperature: how much advantages weigh, 0 or more (paper: 3 for locomotion, 10 for AntMaze).
        policy: the class of its networks.
        **settings: as for `OfflineAgent`.

    Raises:
        SettingsError: a number out of its range, or data that do not fit the worlds.

    Example:
        >>> import numpy as np
        >>> from everlearn.agents.replay.transitions import Transitions
        >>> ones = np.ones((50, 3), np.float32)
        >>> flags = np.zeros(50, np.bool_)
        >>> data = Transitions(ones, ones[:, :1], ones[:, 0], ones, flags, flags)
        >>> agent = IQL("Pendulum-v1", data, policy_kwargs={"net_arch": [8]}, device="cpu")
        >>> agent.learn(20).num_timesteps
        20
    """

    policy: IQLPolicy

    def __init__(
        self,
        env: Any,
        data: Any = None,
        expectile: float = 0.7,
        temperature: float = 3.0,
        policy: type[BasePolicy] = IQLPolicy,
        **settings: Any,
    ) -> None:
        require_expectile(expectile)
        if not temperature >= 0:
            raise SettingsError(f"temperature must be 0 or more, not {temperature}")
        self.expectile = expectile
        self.temperature = temperature
        super().__init__(policy, env, data, **settings)

    def _update(self, rows: Rows) -> dict[str, Tensor]:
        policy, batch = self.policy, rows.batch
        judged = move_values(policy, batch, self.expectile)
        log_probs = gaussian_log_prob(batch.actions, *policy.law(batch.observations))
        logged = move_actor_and_critics(
            policy, batch, judged, self.temperature, log_probs, self.tau
        )
        return {**logged, "value": judged.values.mean()}

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        optimizers = ("actor.optimizer", "critic.optimizer", "value_optimizer")
        return ["policy", *(f"policy.{name}" for name in optimizers)], []
