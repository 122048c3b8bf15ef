"""What every agent that learns from rollouts does with its rollouts and its log."""

from __future__ import annotations

from collections.abc import Sequence

from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from .host import MethodHost
from .learning_worlds import tell_advantages
from .update_log import forget_update, read_update, show_update


class OnPolicyHost(MethodHost, OnPolicyAlgorithm):
    """Each row of the log holds a rollout and the update with it: abstract mixin, to stand first.

    stable-baselines3's own rows hold a rollout and the update before it. An agent's `train` ends
    with `_finish_iteration`, which asks the methods, and `_write_row`, without which there is no
    row.
    """

    _pending_log: int | None = None

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """Fill the rollout buffer with experience.

        Args:
            env: the copies of the world.
            callback: called at each step.
            rollout_buffer: what to fill.
            n_rollout_steps: steps of each copy.

        Returns:
            False if the callback ended the rollout.
        """
        forget_update(self.logger)
        whole = self._collect(env, callback, rollout_buffer, n_rollout_steps)
        if whole:
            tell_advantages(self.env, rollout_buffer.advantages)
        return whole

    def dump_logs(self, iteration: int = 0) -> None:
        """Let `train` write the log when the iteration is complete.

        `learn` asks for it before it calls `train`: the row would hold this iteration's rollout
        and the last one's update.

        Args:
            iteration: number of the iteration in this call of `learn`.
        """
        self._pending_log = iteration

    def _collect(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """Live a rollout, as `collect_rollouts` is asked to."""
        return super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)

    def _write_row(self) -> None:
        """Write the log, if `learn` has asked for it."""
        if self._pending_log is None:
            return
        entries = read_update(self.logger)
        super().dump_logs(self._pending_log)
        show_update(self.logger, entries)
        self._pending_log = None

    def _optimizer_owners(self) -> Sequence[nn.Module]:
        return [self.policy]
