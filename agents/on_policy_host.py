"""What every agent that learns from rollouts does with its log."""

from __future__ import annotations

from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from .host import MethodHost
from .update_log import read_update, show_update


class OnPolicyHost(MethodHost, OnPolicyAlgorithm):
    """Each row of the log holds a rollout and the update with it: abstract mixin, to stand first.

    stable-baselines3's own rows hold a rollout and the update before it.
    """

    _pending_log: int | None = None

    def dump_logs(self, iteration: int = 0) -> None:
        """Let `train` write the log when the iteration is complete.

        `learn` asks for it before it calls `train`: the row would hold this iteration's rollout
        and the last one's update.

        Args:
            iteration: number of the iteration in this call of `learn`.
        """
        self._pending_log = iteration

    def _write_row(self) -> None:
        """Write the log, if `learn` has asked for it."""
        if self._pending_log is None:
            return
        entries = read_update(self.logger)
        super().dump_logs(self._pending_log)
        show_update(self.logger, entries)
        self._pending_log = None
