"""FamO2O's online phase."""

from __future__ import annotations

from typing import Any, final

import torch
from gymnasium import spaces
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv

from ..replay.mixed import MixedReplayBuffer
from ..replay.transitions import Transitions
from ..sac.flat import take_batch
from ..sac.iterations import ITERATION_STEPS, StepIterations
from .family import FamilyPolicy
from .family_steps import LEARNED, move_family, require_range
from .implicit import require_expectile


@final
class OnlineFamO2O(StepIterations, OffPolicyAlgorithm):
    """A family of policies that learns on from its own steps.

    Wang et al., "Train once, get a family: state-adaptive balances for offline-to-online
    reinforcement learning" (2023), on IQL: the gradient step is that of `FamO2O`, at coefficients
    that the balance model draws. It acts at the balance model's likeliest coefficient, by a
    random action of the family's; batches are drawn from the set and its own steps alike, as if
    they were in one replay buffer (published code). `everlearn.agents.replay.donor.begin_from`
    lets it begin with what `FamO2O` has learned: networks, optimizers' memory and the weight of the
    balance model's entropy.

    Args:
        env: worlds whose actions are bounded vectors.
        data: what `FamO2O` has learned from, which never leaves; None to learn from the own steps
            alone.
        coefficients: as for `FamO2O`, and so is `expectile`.
        replay_ratio: gradient steps for each environment transition of each copy (published: 1).
        buffer_size: most of the own transitions kept (published code: 2,000,000 with the data).
        learning_rate: Adam's step size.
        learning_starts: random steps before learning (ours: none, as the agent has learned).
        batch_size: transitions in a gradient step.
        gamma: discount factor, from 0 to 1.
        tau: how far target networks move at each step, from 0 to 1.
        iteration_steps: environment steps in an iteration, over all copies.
        policy: the class of its networks.
        policy_kwargs: their settings.
        seed: of all that is drawn.
        device: where networks are.
        verbose: as for stable-baselines3.

    Raises:
        SettingsError: a number out of its range, or data that do not fit the worlds.

    Example:
        >>> agent = OnlineFamO2O(
        ...     "Pendulum-v1", buffer_size=500, policy_kwargs={"net_arch": [8]}, device="cpu"
        ... )
        >>> agent.learn(10)._n_updates
        10
    """

    policy: FamilyPolicy

    def __init__(
        self,
        env: GymEnv | str | None,
        data: Transitions | None = None,
        coefficients: tuple[float, float] = (1.0, 5.0),
        expectile: float = 0.7,
        replay_ratio: float | None = 1.0,
        buffer_size: int = 2_000_000,
        learning_rate: float = 3e-4,
        learning_starts: int = 0,
        batch_size: int = 256,
        gamma: float = 0.99,
        tau: float = 0.005,
        iteration_steps: int = ITERATION_STEPS,
        policy: type[BasePolicy] = FamilyPolicy,
        policy_kwargs: dict[str, Any] | None = None,
        seed: int | None = None,
        device: torch.device | str = "auto",
        verbose: int = 0,
        _init_setup_model: bool = True,
    ) -> None:
        own = {**(policy_kwargs or {}), "coefficients": require_range(coefficients)}
        require_expectile(expectile)
        self.expectile = expectile
        self._hold_iterations(iteration_steps, replay_ratio, 1)
        super().__init__(
            policy,
            env,  # type: ignore[arg-type]
            learning_rate,
            buffer_size,
            learning_starts,
            batch_size,
            tau,
            gamma,
            replay_buffer_class=None if data is None else MixedReplayBuffer,
            replay_buffer_kwargs=_all_alike(data),
            policy_kwargs=own,
            verbose=verbose,
            device=device,
            support_multi_env=True,
            seed=seed,
            sde_support=False,
            supported_action_spaces=(spaces.Box,),
        )
        if _init_setup_model:
            self._setup_model()

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Update the networks with batches from the replay buffer.

        Args:
            gradient_steps: how often.
            batch_size: transitions in each batch.
        """
        assert self.replay_buffer is not None
        self.policy.set_training_mode(True)
        for _ in range(gradient_steps):
            samples = self.replay_buffer.sample(batch_size, env=self._vec_normalize_env)
            batch = take_batch(samples, self.gamma, torch.float32)
            moved = move_family(self.policy, batch, self.expectile, "balance", self.tau)
            for name, value in moved.items():
                total, count = self._sums.get(name, (0.0, 0))
                self._sums[name] = total + value.item(), count + 1
            self._n_updates += 1
        self.policy.set_training_mode(False)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")

    def _end_iteration(self) -> None:
        """Record nothing else: means over the updates are recorded in any case."""

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        return list(LEARNED), []


def _all_alike(data: Transitions | None) -> dict[str, Any] | None:
    return None if data is None else {"sources": {"data": data}, "shares": {"data": "even"}}
