"""Conservative Q-learning, and its calibrated form."""

from __future__ import annotations

import math
from typing import Any, final

import torch
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.sac.policies import SACPolicy
from torch import Tensor

from ...wrappers.errors import SettingsError
from ..sac.losses import Batch, actor_loss, squash, td_targets, temperature_loss
from .agent import OfflineAgent, Rows, follow, step
from .losses import conservative_penalty, squared_loss
from .policies import values_of


@final
class CQL(OfflineAgent):
    """Conservative Q-learning: SAC whose critics are pushed down where the data do not go.

    Kumar et al., "Conservative Q-learning for offline reinforcement learning" (2020), CQL(H) with a
    fixed weight; with `calibrated`, Cal-QL of Nakamoto et al. (2023), from which learning online
    begins without a dip; returns of episodes that were cut off end where they were. The networks
    are SAC's, so that SAC goes on from them.

    Args:
        env: worlds whose actions are bounded vectors.
        data: what to learn from.
        weight: of the penalty in the critics' loss, 0 or more (published code of WSRL: 5).
        n_actions: sampled actions of each kind: uniform, the policy's here, the policy's next; at
            least 1 (paper: 10).
        calibrated: whether returns of the data bound the values of the policy's actions (Cal-QL).
        max_backup: whether targets take the best of `n_actions` next actions.
        entropy_backup: whether the entropy of next actions is part of the targets (published
            code: no).
        actor_learning_rate: Adam's step size for actor and temperature (published code of WSRL:
            1e-4).
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
        >>> agent = CQL("Pendulum-v1", data, policy_kwargs={"net_arch": [8]}, device="cpu")
        >>> agent.learn(5).num_timesteps
        5
    """

    policy: SACPolicy

    def __init__(
        self,
        env: Any,
        data: Any = None,
        weight: float = 5.0,
        n_actions: int = 10,
        calibrated: bool = False,
        max_backup: bool = False,
        entropy_backup: bool = False,
        actor_learning_rate: float = 1e-4,
        policy: type[BasePolicy] = SACPolicy,
        **settings: Any,
    ) -> None:
        if not weight >= 0:
            raise SettingsError(f"weight must be 0 or more, not {weight}")
        if n_actions < 1:
            raise SettingsError(f"n_actions must be 1 or more, not {n_actions}")
        self.weight, self.n_actions = weight, n_actions
        self.calibrated, self.max_backup = calibrated, max_backup
        self.entropy_backup = entropy_backup
        self.actor_learning_rate = actor_learning_rate
        super().__init__(policy, env, data, **settings)

    def _setup_model(self) -> None:
        super()._setup_model()
        self.actor, self.critic = self.policy.actor, self.policy.critic
        self.log_ent_coef = torch.zeros(1, device=self.device, requires_grad=True)
        rate = self.actor_learning_rate
        self.ent_coef_optimizer = torch.optim.Adam([self.log_ent_coef], lr=rate)
        for group in self.policy.actor.optimizer.param_groups:
            group["lr"] = rate
        self.target_entropy = -float(math.prod(self.action_space.shape or (1,)))

    def _update(self, rows: Rows) -> dict[str, Tensor]:
        policy, batch = self.policy, rows.batch
        temperature = self.log_ent_coef.detach().exp()
        actions, log_probs = self._act(batch.observations, 1)
        loss, gradient = temperature_loss(
            self.log_ent_coef.detach(), log_probs.detach().mean(), self.target_entropy
        )
        self.log_ent_coef.grad = gradient.reshape(1)
        self.ent_coef_optimizer.step()
        values = values_of(policy.critic, batch.observations, actions[:, 0])
        policy_loss = actor_loss(values, log_probs[:, 0], temperature)
        with torch.no_grad():
            targets = self._targets(batch, temperature)
        known = values_of(policy.critic, batch.observations, batch.actions)
        td_loss = squared_loss(known, targets)
        penalty = self._penalty(rows, known)
        step(policy.actor.optimizer, policy_loss)
        step(policy.critic.optimizer, td_loss + self.weight * penalty)
        follow(list(policy.critic_target.parameters()), list(policy.critic.parameters()), self.tau)
        return {
            "actor_loss": policy_loss,
            "critic_loss": td_loss,
            "conservative_penalty": penalty,
            "ent_coef": temperature.squeeze(),
            "ent_coef_loss": loss,
            "value": known.mean(),
        }

    def _act(self, observations: Tensor, n_actions: int) -> tuple[Tensor, Tensor]:
        """Draw actions, of shape (batch, actions, dimensions), with their log densities."""
        means, log_stds, _ = self.policy.actor.get_action_dist_params(observations)
        means, log_stds = (m.repeat_interleave(n_actions, dim=0) for m in (means, log_stds))
        actions, log_probs = squash(means, log_stds, torch.randn_like(means))
        shape = (len(observations), n_actions)
        return actions.view(*shape, -1), log_probs.sum(dim=1).view(shape)

    def _targets(self, batch: Batch, temperature: Tensor) -> Tensor:
        n_actions = self.n_actions if self.max_backup else 1
        actions, log_probs = self._act(batch.next_observations, n_actions)
        values = self._values(self.policy.critic_target, batch.next_observations, actions)
        best = values.amin(dim=0).argmax(dim=1, keepdim=True)
        values = values.gather(2, best.expand(len(values), -1, -1)).squeeze(2)
        log_prob = log_probs.gather(1, best).squeeze(1)
        return td_targets(batch, values, log_prob, temperature if self.entropy_backup else 0.0)

    def _penalty(self, rows: Rows, known: Tensor) -> Tensor:
        batch, n_actions = rows.batch, self.n_actions
        dimensions = batch.actions.shape[1]
        shape = (len(batch.actions), n_actions, dimensions)
        uniform = torch.rand(shape, device=self.device) * 2 - 1
        with torch.no_grad():
            here, log_here = self._act(batch.observations, n_actions)
            later, log_later = self._act(batch.next_observations, n_actions)
        flat = torch.full(shape[:2], -dimensions * math.log(2), device=self.device)
        actions = torch.cat([uniform, here, later], dim=1)
        values = self._values(self.policy.critic, batch.observations, actions)
        is_policy = torch.arange(3 * n_actions, device=self.device) >= n_actions
        return conservative_penalty(
            known,
            values,
            torch.cat([flat, log_here, log_later], dim=1),
            rows.returns if self.calibrated else None,
            is_policy,
        )

    @staticmethod
    def _values(critic: Any, observations: Tensor, actions: Tensor) -> Tensor:
        """Return the values of several actions of each row, of shape (critics, batch, actions)."""
        n_actions = actions.shape[1]
        repeated = observations.repeat_interleave(n_actions, dim=0)
        values = values_of(critic, repeated, actions.flatten(end_dim=1))
        return values.view(len(values), -1, n_actions)

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        # SAC's names: it can go on from them.
        optimizers = ["actor.optimizer", "critic.optimizer", "ent_coef_optimizer"]
        return ["policy", *optimizers], ["log_ent_coef"]

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "actor", "critic"]
