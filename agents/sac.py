"""Soft actor-critic with methods."""

from __future__ import annotations

import io
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self, final

import numpy as np
import stable_baselines3
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.type_aliases import (
    GymEnv,
    MaybeCallback,
    RolloutReturn,
    Schedule,
    TrainFreq,
)
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.sac.policies import SACPolicy
from torch import nn

from ..wrappers.errors import SettingsError, unknown
from .diagnostics import diagnose
from .host import MethodHost
from .layers import Part
from .method import Method
from .replay.buffers import LeanReplayBuffer
from .replay.ratio import ReplayRatio
from .sac_parts import build_parts, shield_critic
from .sac_policy import LayerNormPolicy

BACKENDS = ("reference",)
"""How the update can be computed: "reference" is stable-baselines3's own."""

ITERATION_STEPS = 1000
"""Environment steps in an iteration: so that round numbers of steps end with one."""

N_DIAGNOSED = 512
"""How many transitions the diagnostics look at."""

_AVERAGED = ("actor_loss", "critic_loss", "ent_coef", "ent_coef_loss")


@final
class SAC(MethodHost, stable_baselines3.SAC):
    """stable-baselines3's SAC with methods that keep it able to learn.

    Haarnoja et al., "Soft actor-critic algorithms and applications" (2018). Everything of
    `stable_baselines3.SAC` works as it does there, and without methods the agent learns the same,
    bit for bit. With methods, torch's Adam is replaced by `everlearn.agents.adam.Adam`, which
    learns the same and can be reset for single units. The parts are "actor", "critic_0",
    "critic_1" and so on; all critics share one optimizer. Methods never act on the target
    networks: these follow the critics by Polyak averaging alone, also after units were replaced.

    An iteration is a fixed number of environment steps over all copies of the world, with the
    updates that follow them: rows of the log, diagnostics and methods count in iterations. Losses
    in a row are means over its updates. Replayed observations are kept once (see
    `LeanReplayBuffer`) unless another `replay_buffer_class` is asked for.

    Args:
        policy: as for `stable_baselines3.SAC`, and so are all others but the following.
        env: the world, or its id in gymnasium, or a vector of copies.
        methods: what keeps the agent able to learn; the agent uses its own copies.
        backend: how the update is computed; "reference" is stable-baselines3's.
        diagnostics: whether to log `plasticity/*` each iteration; never changes learning.
        iteration_steps: environment steps in an iteration, over all copies.
        replay_ratio: gradient steps for each environment transition of each copy, in place of
            `gradient_steps`; fractions add up. None keeps stable-baselines3's own counting, where
            one gradient step follows a step of all copies together.
        layer_norm: which networks have a layer norm before each hidden activation: "none",
            "critic" or "both".

    Raises:
        SettingsError: an unknown backend, a method that is none, a number out of its range, or
            settings that do not fit together.

    Example:
        >>> from everlearn.agents import SAC, ContinualBackprop
        >>> agent = SAC(
        ...     "MlpPolicy", "Pendulum-v1", buffer_size=500, policy_kwargs={"net_arch": [8]},
        ...     methods=[ContinualBackprop()], replay_ratio=0.1, device="cpu",
        ... )
        >>> agent.learn(200)._n_updates
        10
    """

    def __init__(
        self,
        policy: str | type[SACPolicy],
        env: GymEnv | str,
        learning_rate: float | Schedule = 3e-4,
        buffer_size: int = 1_000_000,
        learning_starts: int = 100,
        batch_size: int = 256,
        tau: float = 0.005,
        gamma: float = 0.99,
        train_freq: int | tuple[int, str] = 1,
        gradient_steps: int = 1,
        action_noise: ActionNoise | None = None,
        replay_buffer_class: type[ReplayBuffer] | None = None,
        replay_buffer_kwargs: dict[str, Any] | None = None,
        optimize_memory_usage: bool = False,
        n_steps: int = 1,
        ent_coef: str | float = "auto",
        target_update_interval: int = 1,
        target_entropy: str | float = "auto",
        use_sde: bool = False,
        sde_sample_freq: int = -1,
        use_sde_at_warmup: bool = False,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
        *,
        methods: Iterable[Method] = (),
        backend: str = "reference",
        diagnostics: bool = True,
        iteration_steps: int = ITERATION_STEPS,
        replay_ratio: float | None = None,
        layer_norm: Literal["none", "critic", "both"] = "none",
    ) -> None:
        if backend not in BACKENDS:
            raise unknown("backend", backend, BACKENDS)
        if iteration_steps < 1:
            raise SettingsError(f"iteration_steps must be 1 or more, not {iteration_steps}")
        if replay_ratio is not None and gradient_steps != 1:
            raise SettingsError("replay_ratio takes the place of gradient_steps: give only one")
        self.backend = backend
        self.diagnostics = diagnostics
        self.iteration_steps = iteration_steps
        self.replay_ratio = replay_ratio
        self.ratio: ReplayRatio | None = None
        self.ratio_state: dict[str, float] = {}
        self.iteration = 0
        self._log_interval: int | None = None
        self._begin_iteration(0, 0)
        self._hold_methods(methods)
        if layer_norm != "none":
            policy, policy_kwargs = _with_layer_norm(policy, policy_kwargs, layer_norm)
        super().__init__(
            policy=policy,
            env=env,
            learning_rate=learning_rate,
            buffer_size=buffer_size,
            learning_starts=learning_starts,
            batch_size=batch_size,
            tau=tau,
            gamma=gamma,
            train_freq=train_freq,
            gradient_steps=gradient_steps,
            action_noise=action_noise,
            replay_buffer_class=replay_buffer_class,
            replay_buffer_kwargs=replay_buffer_kwargs,
            optimize_memory_usage=optimize_memory_usage,
            n_steps=n_steps,
            ent_coef=ent_coef,
            target_update_interval=target_update_interval,
            target_entropy=target_entropy,
            use_sde=use_sde,
            sde_sample_freq=sde_sample_freq,
            use_sde_at_warmup=use_sde_at_warmup,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            policy_kwargs=policy_kwargs,
            verbose=verbose,
            seed=seed,
            device=device,
            _init_setup_model=_init_setup_model,
        )

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
        self._log_interval = log_interval
        super().learn(
            total_timesteps,
            callback,
            log_interval,  # type: ignore[arg-type]
            tb_log_name,
            reset_num_timesteps,
            progress_bar,
        )
        self._finish_iteration_if_due()
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
        rollout = super().collect_rollouts(
            env, callback, train_freq, replay_buffer, action_noise, learning_starts, None
        )
        if self.ratio is not None and self.num_timesteps > learning_starts:
            self.gradient_steps = self.ratio(rollout.episode_timesteps)
        return rollout

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Update the networks with batches from the replay buffer.

        Args:
            gradient_steps: how often.
            batch_size: transitions in each batch.
        """
        super().train(gradient_steps, batch_size)
        for name in _AVERAGED:
            if f"train/{name}" in self.logger.name_to_value:
                mean = self.logger.name_to_value[f"train/{name}"]
                self._sums[name] = self._sums.get(name, 0.0) + gradient_steps * float(mean)

    def dump_logs(self) -> None:
        """Write a row of the log."""
        self.logger.record("time/iterations", self.iteration, exclude="tensorboard")
        super().dump_logs()

    def _begin_iteration(self, step: int, update: int) -> None:
        self._first_step, self._first_update = step, update
        self._sums: dict[str, float] = {}

    def _finish_iteration_if_due(self) -> None:
        iteration = self.num_timesteps // self.iteration_steps
        if iteration == self.iteration:
            return
        self.iteration = iteration
        self._finish_iteration()
        updates = self._n_updates - self._first_update
        for name, total in self._sums.items():
            self.logger.record(f"train/{name}", total / updates)
        self.logger.record("replay/ratio", updates / (self.num_timesteps - self._first_step))
        if self.diagnostics and self.parts and self.num_timesteps > self.learning_starts:
            for tag, value in self._diagnose().items():
                self.logger.record(tag, value)
        if self._log_interval is not None and iteration % self._log_interval == 0:
            self.dump_logs()
        self._begin_iteration(self.num_timesteps, self._n_updates)

    def _setup_model(self) -> None:
        lean = (
            self.replay_buffer_class is None
            and not isinstance(self.observation_space, spaces.Dict)
            and self.n_steps == 1
            and not self.optimize_memory_usage
        )
        if lean:
            self.replay_buffer_class = LeanReplayBuffer
        super()._setup_model()
        if self.methods:
            self.critic_target.load_state_dict(self.critic.state_dict())
        critics = [part for part in self.parts if part.name != "actor"]
        shield_critic(self.critic, [layer for part in critics for layer in part.hidden])
        if self.replay_ratio is not None:
            self.ratio = ReplayRatio(self.replay_ratio)
            if self.ratio_state:
                self.ratio.load_state_dict(self.ratio_state)

    def save(
        self,
        path: str | pathlib.Path | io.BufferedIOBase,
        exclude: Iterable[str] | None = None,
        include: Iterable[str] | None = None,
    ) -> None:
        """Save the agent with its methods, as a zip that stable-baselines3 itself can load.

        The replay buffer is left out; `save_replay_buffer` saves it.

        Args:
            path: the file to be written.
            exclude: attributes to be left out besides the usual ones.
            include: attributes to be saved that usually are not.
        """
        self.ratio_state = self.ratio.state_dict() if self.ratio is not None else {}
        super().save(path, exclude, include)

    def _excluded_save_params(self) -> list[str]:
        # Whoever loads the zip without this package has no such buffer.
        lean = ["replay_buffer_class"] if self.replay_buffer_class is LeanReplayBuffer else []
        return [*super()._excluded_save_params(), "ratio", *lean]

    def _optimizer_owners(self) -> Sequence[nn.Module]:
        return [self.actor, self.critic]

    def _build_parts(self) -> tuple[Part, ...]:
        return build_parts(self.actor, self.critic)

    def _diagnose(self) -> dict[str, float]:
        assert self.replay_buffer is not None
        # Buffers draw from numpy's global generator, which must not notice.
        state = np.random.get_state()
        batch = self.replay_buffer.sample(N_DIAGNOSED, env=self._vec_normalize_env)
        np.random.set_state(state)

        def forward() -> None:
            self.actor.get_action_dist_params(batch.observations)
            self.critic(batch.observations, batch.actions)

        return diagnose(self.parts, self.policy, forward)


def _with_layer_norm(
    policy: str | type[SACPolicy], policy_kwargs: dict[str, Any] | None, layer_norm: str
) -> tuple[type[SACPolicy], dict[str, Any]]:
    if layer_norm not in ("critic", "both"):
        raise unknown("layer_norm", layer_norm, ("none", "critic", "both"))
    if policy != "MlpPolicy":
        raise SettingsError(f"layer_norm needs the policy 'MlpPolicy', not {policy!r}")
    return LayerNormPolicy, {**(policy_kwargs or {}), "layer_norm": layer_norm}
