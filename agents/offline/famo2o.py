"""FamO2O on implicit Q-learning."""

from __future__ import annotations

from typing import Any, Literal, final

import torch
from stable_baselines3.common.policies import BasePolicy
from torch import Tensor

from ...wrappers.errors import SettingsError, unknown
from ..sac.losses import Batch, temperature_loss
from .agent import OfflineAgent, Rows, step
from .family import FamilyPolicy
from .implicit import move_actor_and_critics, move_values, require_expectile
from .losses import gaussian_log_prob
from .policies import values_of

TARGET_ENTROPY = -0.5
"""The entropy that the balance model is to have (published code)."""


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
    actor sees more than observations.

    Args:
        env: worlds whose actions are bounded vectors.
        data: what to learn from.
        coefficients: the range of beta, 0 or more (published code: 8 to 14 for AntMaze, where IQL
            has 10; the default is around IQL's 3 for locomotion, ours).
        expectile: from 0 to 1 (published code: 0.9 for AntMaze; IQL's 0.7 for locomotion).
        drawn: where the actor's coefficients come from: "uniform" or "balance".
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
        drawn: Literal["uniform", "balance"] = "uniform",
        policy: type[BasePolicy] = FamilyPolicy,
        policy_kwargs: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        low, high = coefficients
        if not 0 <= low < high:
            raise SettingsError(
                f"coefficients must be two numbers of 0 or more, the smaller first, not "
                f"{low} and {high}"
            )
        require_expectile(expectile)
        if drawn not in ("uniform", "balance"):
            raise unknown("way to draw coefficients", drawn, ("uniform", "balance"))
        self.expectile, self.drawn = expectile, drawn
        own = {**(policy_kwargs or {}), "coefficients": (float(low), float(high))}
        super().__init__(policy, env, data, policy_kwargs=own, **settings)

    def _update(self, rows: Rows) -> dict[str, Tensor]:
        policy, batch = self.policy, rows.batch
        judged = move_values(policy, batch, self.expectile)
        logged = self._balance(batch)
        with torch.no_grad():
            coefficients = self.draw_coefficients(batch.observations)
        log_probs = gaussian_log_prob(batch.actions, *policy.law(batch.observations, coefficients))
        return logged | move_actor_and_critics(
            policy, batch, judged, coefficients, log_probs, self.tau
        )

    def draw_coefficients(self, observations: Tensor) -> Tensor:
        """Return the coefficients that the actor is to learn at, of shape (batch,).

        Args:
            observations: of shape (batch, inputs).
        """
        if self.drawn == "uniform":
            low, high = self.policy.coefficients
            return low + (high - low) * torch.rand(len(observations), device=self.device)
        noise = torch.randn(len(observations), device=self.device)
        return self.policy.choose(observations, noise)[0]

    def balance_loss(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Return the balance model's loss, and the mean logarithm of its densities.

        Args:
            observations: of shape (batch, inputs).
        """
        policy = self.policy
        noise = torch.randn(len(observations), device=self.device)
        coefficients, log_probs = policy.choose(observations, noise)
        assert log_probs is not None
        means, log_stds = policy.law(observations, coefficients)
        actions = means + log_stds.exp() * torch.randn_like(means)
        worth = values_of(policy.critic_target, observations, actions).amin(dim=0)
        eta = policy.log_eta.detach().exp()
        return (eta * log_probs - worth).mean(), log_probs.detach().mean()

    def _balance(self, batch: Batch) -> dict[str, Tensor]:
        policy = self.policy
        loss, log_prob = self.balance_loss(batch.observations)
        step(policy.balance_optimizer, loss)
        eta_loss, gradient = temperature_loss(policy.log_eta.detach(), log_prob, TARGET_ENTROPY)
        policy.log_eta.grad = gradient.reshape(1)
        policy.eta_optimizer.step()
        with torch.no_grad():
            chosen, _ = policy.choose(batch.observations)
        return {
            "balance_loss": loss,
            "eta": policy.log_eta.detach().exp().squeeze(),
            "eta_loss": eta_loss,
            "coefficient": chosen.mean(),
        }

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        optimizers = (
            *("actor.optimizer", "critic.optimizer", "value_optimizer"),
            *("balance_optimizer", "eta_optimizer"),
        )
        return ["policy", *(f"policy.{name}" for name in optimizers)], []
