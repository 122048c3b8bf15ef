"""Iterations of an off-policy agent: a fixed number of environment steps with their updates."""

from __future__ import annotations

import io
import pathlib
from abc import abstractmethod
from collections.abc import Iterable
from typing import Self

from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import (
    MaybeCallback,
    RolloutReturn,
    TrainFreq,
    TrainFrequencyUnit,
)
from stable_baselines3.common.vec_env import VecEnv

from ...wrappers.errors import SettingsError
from ..replay.buffers import LeanReplayBuffer
from ..replay.mixed import MixedReplayBuffer
from ..replay.ratio import ReplayRatio
from ..update_log import forget_update, read_update, show_update

ITERATION_STEPS = 1000
"""Environment steps in an iteration: so that round numbers of steps end with one."""

_FOLDER = "memmap_folder"
_AVERAGED = ("actor_loss", "critic_loss", "ent_coef", "ent_coef_loss")


class StepIterations(OffPolicyAlgorithm):
    """Logs by iteration, and learns by a replay ratio: abstract mixin, to stand before SB3's SAC.

    An iteration ends with the updates that follow its last step. It may be longer than asked where
    a rollout is: then several end as one.
    """

    iteration: int
    """Iterations ended since steps were last counted from 0."""

    replay_ratio: float | None
    """Gradient steps for each transition, as asked for, before methods set it."""

    ratio: ReplayRatio | None
    """Tells how many gradient steps are due; None for stable-baselines3's own counting."""

    @abstractmethod
    def _end_iteration(self) -> None:
        """Record what is to be in the row of an iteration that has just ended."""

    def _ask_methods(self) -> None:
        """Let methods act after a rollout, and set the replay ratio."""

    def _count_by_ratio(self) -> None:
        """Count by the replay ratio that comes to the same as stable-baselines3's own counting.

        Raises:
            SettingsError: there is none, as episodes differ in length.
        """
        assert isinstance(self.train_freq, TrainFreq)
        if self.train_freq.unit != TrainFrequencyUnit.STEP:
            raise SettingsError(
                "methods that set the replay ratio need train_freq in steps, not in episodes"
            )
        per_rollout = self.train_freq.frequency * self.n_envs
        asked = self.gradient_steps if self.gradient_steps >= 0 else per_rollout
        self.replay_ratio = asked / per_rollout
        self.ratio = ReplayRatio(self.replay_ratio)

    def _hold_iterations(
        self, iteration_steps: int, replay_ratio: float | None, gradient_steps: int
    ) -> None:
        if iteration_steps < 1:
            raise SettingsError(f"iteration_steps must be 1 or more, not {iteration_steps}")
        if replay_ratio is not None and gradient_steps != 1:
            raise SettingsError("replay_ratio takes the place of gradient_steps: give only one")
        self.iteration_steps = iteration_steps
        self.replay_ratio = replay_ratio
        self.ratio = None
        self.ratio_state: dict[str, float] = {}
        self._explores_until = -1
        self.iteration = 0
        self._log_interval: int | None = None
        self._begin_iteration(0, 0)

    def _setup_model(self) -> None:
        lean = (
            self.replay_buffer_class is None
            and not isinstance(self.observation_space, spaces.Dict)
            and not self.optimize_memory_usage
        )
        n_steps = self.n_steps
        if self.replay_buffer_class is None and not lean and _FOLDER in self.replay_buffer_kwargs:
            raise SettingsError(
                f"{_FOLDER} needs observations of one array, and no optimize_memory_usage"
            )
        if lean:
            self.replay_buffer_class = LeanReplayBuffer
            if n_steps > 1:
                self.replay_buffer_kwargs.update(n_steps=n_steps, gamma=self.gamma)
                # stable-baselines3 would warn that this class takes no notice.
                self.n_steps = 1
        super()._setup_model()
        self.n_steps = n_steps
        if self.replay_ratio is not None:
            self.ratio = ReplayRatio(self.replay_ratio)
            if self.ratio_state:
                self.ratio.load_state_dict(self.ratio_state)

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int | None = 1,
        tb_log_name: str = "SAC",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Learn for a number of environment steps.

        Args:
            total_timesteps: environment steps, over all copies of the world.
            callback: as for `stable_baselines3.SAC`, and so are all others but the following.
            log_interval: iterations from one row of the log to the next, or None for no rows
                (stable-baselines3 counts episodes).
            tb_log_name: name of the run in TensorBoard.
            reset_num_timesteps: whether steps and iterations are counted from 0 again.
            progress_bar: whether to show a progress bar.
        """
        if reset_num_timesteps:
            self.iteration = 0
            self._begin_iteration(0, self._n_updates)
            self._explores_until = -1
        self._log_interval = log_interval
        if hasattr(self, "_logger"):
            forget_update(self.logger)
        super().learn(
            total_timesteps,
            callback,
            log_interval,  # type: ignore[arg-type]
            tb_log_name,
            reset_num_timesteps,
            progress_bar,
        )
        entries = read_update(self.logger)
        self._finish_iteration_if_due()
        show_update(self.logger, entries)
        return self

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        train_freq: TrainFreq,
        replay_buffer: ReplayBuffer,
        action_noise: ActionNoise | None = None,
        learning_starts: int = 0,
        log_interval: int | None = None,
    ) -> RolloutReturn:
        """Step the worlds, and say how many gradient steps are to follow.

        Args:
            env: as for `stable_baselines3.SAC`, and so are all others but the following.
            callback: called at each step.
            train_freq: how long to go on.
            replay_buffer: where transitions go.
            action_noise: added to the actions.
            learning_starts: until when actions are random.
            log_interval: has no effect: rows of the log are written by iteration.
        """
        # Here, so that an iteration has the updates that follow its last step.
        self._finish_iteration_if_due()
        learning_starts = max(learning_starts, self._explores_until)
        rollout = super().collect_rollouts(
            env, callback, train_freq, replay_buffer, action_noise, learning_starts, None
        )
        self._ask_methods()
        if self.ratio is not None and self.num_timesteps > learning_starts:
            self.gradient_steps = self.ratio(rollout.episode_timesteps)
        return rollout

    def _forget_experience(self) -> None:
        """Empty the replay buffer, and fill it by random actions as in the beginning."""
        buffer = self.replay_buffer
        assert buffer is not None
        if isinstance(buffer, LeanReplayBuffer):
            buffer.forget()
        else:
            buffer.reset()
        self._explores_until = self.num_timesteps + self.learning_starts

    def dump_logs(self) -> None:
        """Write a row of the log."""
        self.logger.record("time/iterations", self.iteration, exclude="tensorboard")
        super().dump_logs()

    def _add_losses(self, gradient_steps: int) -> None:
        """Let the losses that were just logged enter the means of the iteration.

        Args:
            gradient_steps: how many they are the mean of.
        """
        for name in _AVERAGED:
            if f"train/{name}" in self.logger.name_to_value:
                mean = self.logger.name_to_value[f"train/{name}"]
                total, count = self._sums.get(name, (0.0, 0))
                self._sums[name] = total + gradient_steps * float(mean), count + gradient_steps

    def _begin_iteration(self, step: int, update: int) -> None:
        self._first_step, self._first_update = step, update
        self._sums: dict[str, tuple[float, int]] = {}

    def _finish_iteration_if_due(self) -> None:
        iteration = self.num_timesteps // self.iteration_steps
        if iteration == self.iteration:
            return
        self.iteration = iteration
        self._end_iteration()
        for name, (total, count) in self._sums.items():
            self.logger.record(f"train/{name}", total / count)
        updates = self._n_updates - self._first_update
        self.logger.record("replay/ratio", updates / (self.num_timesteps - self._first_step))
        if self._log_interval is not None and iteration % self._log_interval == 0:
            self.dump_logs()
        self._begin_iteration(self.num_timesteps, self._n_updates)

    def save(
        self,
        path: str | pathlib.Path | io.BufferedIOBase,
        exclude: Iterable[str] | None = None,
        include: Iterable[str] | None = None,
    ) -> None:
        """Save the agent; the replay buffer is left out, and `save_replay_buffer` saves it.

        Args:
            path: the file to be written.
            exclude: attributes to be left out besides the usual ones.
            include: attributes to be saved that usually are not.
        """
        self.ratio_state = self.ratio.state_dict() if self.ratio is not None else {}
        kept = self.replay_buffer_kwargs
        # Whoever loads the zip may have no such folder.
        self.replay_buffer_kwargs = {name: kept[name] for name in kept if name != _FOLDER}
        try:
            super().save(path, exclude, include)
        finally:
            self.replay_buffer_kwargs = kept

    def _excluded_save_params(self) -> list[str]:
        # Whoever loads the zip has no such buffer without this package, and maybe not its sources.
        own: list[str] = []
        if self.replay_buffer_class is LeanReplayBuffer:
            own = ["replay_buffer_class"]
        elif self.replay_buffer_class is MixedReplayBuffer:
            own = ["replay_buffer_class", "replay_buffer_kwargs"]
        return [*super()._excluded_save_params(), "ratio", *own]
