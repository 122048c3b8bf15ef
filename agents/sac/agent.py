"""Soft actor-critic with methods."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, final

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.sac.policies import SACPolicy
from torch import Tensor, nn

from ...wrappers.errors import SettingsError, unknown
from ..adam import Adam
from ..backends import BACKENDS, WORTHWHILE_STEPS, can_compile, notify
from ..diagnostics import Diagnostics, diagnose
from ..diagnostics.observation import copy_parameters
from ..host import MethodHost
from ..layers import Part
from ..method import Method, overrides
from ..networks import NotPure
from ..replay.replay import Replay
from ..retention.sequence import renew_optimizer
from ..retention.task import Examples
from .diagnosis import make_subject
from .entropy import gather_entropy_weights, weigh_entropy
from .iterations import ITERATION_STEPS, StepIterations
from .learner import SACLearner
from .old_examples import differentiate_actor
from .options import SACOptions
from .parts import build_parts, shield_critic
from .policy import with_layer_norm
from .support import why_reference


@final
class SAC(MethodHost, StepIterations, stable_baselines3.SAC):
    """stable-baselines3's SAC with methods that keep it able to learn.

    Haarnoja et al., "Soft actor-critic algorithms and applications" (2018). Everything of
    `stable_baselines3.SAC` is there, and without methods the agent learns the same: bit for bit
    with `backend="reference"`, and by default up to rounding. It departs in this: rows of the log
    come by iteration and not by episode, observations are replayed from a leaner buffer, and on
    other back ends than the reference, which run on a CPU only, `target_update_interval` counts
    updates over the whole run. With methods, torch's Adam is replaced by
    `everlearn.agents.adam.Adam`, which learns the same and can be reset for single units. The parts
    are "actor", "critic_0", "critic_1" and so on; all critics share one optimizer. Target networks
    follow the critics by Polyak averaging alone, also after units were replaced; only methods that
    say so set them.

    An iteration is a fixed number of environment steps over all copies of the world, with the
    updates that follow them: rows of the log, diagnostics and methods count in iterations. Losses
    in a row are means over its updates. Replayed observations are kept once (see
    `LeanReplayBuffer`) unless another `replay_buffer_class` is asked for.

    Args:
        policy: as for `stable_baselines3.SAC`, and so are all others but the following.
        env: the world, or its id in gymnasium, or a vector of copies.
        methods: what keeps the agent able to learn; the agent uses its own copies.
        backend: how the update is computed: one of `everlearn.agents.backends.BACKENDS`.
        diagnostics: whether to log `plasticity/*` each iteration, and `Diagnostics` to say how
            often what; never changes learning.
        iteration_steps: environment steps in an iteration, over all copies.
        replay_ratio: gradient steps for each environment transition of each copy, in place of
            `gradient_steps`; fractions add up. None keeps stable-baselines3's own counting, where
            one gradient step follows a step of all copies together.
        layer_norm: which networks have a layer norm before each hidden activation: "none",
            "critic" or "both".
        residual_blocks: whether these networks are of residual blocks, as BroNet (Nauman et al.
            2024): the first hidden layer, then a block of two layers for each further one.
        actor_delay: critic steps for each step of actor and temperature, counted over the run.
        target_critics: how many target networks, drawn anew for each step, give the target;
            None for all (REDQ, Chen et al. 2021: 2 of 10).
        actor_value: which of the critics' values the actor raises: "min", or "mean" as in REDQ.
        target_value: which of the target networks' values the critics are to predict: "min", or
            "mean" as in BRO.
        entropy_backup: whether the entropy of next actions is part of the critics' targets.
        entropy_weights: weight of each action dimension in the entropy (ACE, Ji et al. 2024).
        bfloat16: whether products between hidden layers are computed in bfloat16, which is faster
            for wide networks on processors that have it.

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
        backend: str = "auto",
        diagnostics: bool | Diagnostics = True,
        iteration_steps: int = ITERATION_STEPS,
        replay_ratio: float | None = None,
        layer_norm: Literal["none", "critic", "both"] = "none",
        residual_blocks: bool = False,
        actor_delay: int = 1,
        target_critics: int | None = None,
        actor_value: Literal["min", "mean"] = "min",
        target_value: Literal["min", "mean"] = "min",
        entropy_backup: bool = True,
        entropy_weights: Sequence[float] | None = None,
        bfloat16: bool = False,
    ) -> None:
        if backend not in BACKENDS:
            raise unknown("backend", backend, BACKENDS)
        self.backend = backend
        self.diagnostics = diagnostics
        weights = None if entropy_weights is None else tuple(map(float, entropy_weights))
        self.options: dict[str, Any] = {
            "actor_delay": actor_delay,
            "target_critics": target_critics,
            "actor_value": actor_value,
            "target_value": target_value,
            "entropy_backup": entropy_backup,
            "entropy_weights": weights,
            "bfloat16": bfloat16,
        }
        SACOptions(**self.options).check()
        self._learner: SACLearner | None = None
        self._asked: list[Method] = []
        self._entropy_weights: Tensor | None = None
        self._hold_methods(methods)
        self._hold_iterations(iteration_steps, replay_ratio, gradient_steps)
        if layer_norm != "none" or residual_blocks:
            policy, policy_kwargs = with_layer_norm(
                policy, policy_kwargs, layer_norm, residual_blocks
            )
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

    @property
    def backend_in_use(self) -> str:
        """How the update is really computed: "reference", "eager" or "compiled"."""
        if self._learner is None:
            return "reference"
        return "compiled" if self._learner.compiled else "eager"

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Update the networks with batches from the replay buffer.

        Args:
            gradient_steps: how often.
            batch_size: transitions in each batch.
        """
        if self.num_timesteps <= self._explores_until:
            return
        if self._learner is None:
            super().train(gradient_steps, batch_size)
        else:
            self._learner.train(gradient_steps, batch_size)
        self._add_losses(gradient_steps)

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        if self.num_timesteps < learning_starts:
            draw = self.action_space.np_random.integers
            with self.tasks.acting_in_earlier(lambda count: int(draw(count))) as acts:
                starts = 0 if acts else learning_starts
                return super()._sample_action(starts, action_noise, n_envs)
        if self._learner is None:
            return super()._sample_action(learning_starts, action_noise, n_envs)
        assert isinstance(self._last_obs, np.ndarray)
        scaled = self._learner.act(self._last_obs)
        if action_noise is not None:
            scaled = np.clip(scaled + action_noise(), -1, 1)
        return self.policy.unscale_action(scaled), scaled

    def _store_transition(self, *args: Any, **kwargs: Any) -> None:
        super()._store_transition(*args, **kwargs)
        # Only now, as the replay buffer has all of the task that ends.
        self.tasks.go_on()

    def _draw_examples(self, count: int, generator: torch.Generator | None) -> Examples:
        assert self.replay_buffer is not None
        # Buffers draw from numpy's global generator, which must not notice.
        state = np.random.get_state()
        np.random.seed(int(torch.randint(2**31, (), generator=generator)))
        samples = self.replay_buffer.sample(count, env=self._vec_normalize_env)
        np.random.set_state(state)
        extractor = self.actor.features_extractor
        inputs = self.actor.extract_features(samples.observations, extractor)
        return Examples(inputs.detach(), samples.actions)

    def _task_training(self) -> Callable[[int], None]:
        def train(steps: int) -> None:
            with torch.enable_grad():
                self.train(steps, self.batch_size)
            self.policy.set_training_mode(False)

        return train

    def _begin_anew(self, keeps: frozenset[str], renews: frozenset[str]) -> None:
        super()._begin_anew(keeps, renews)
        if "replay" not in keeps:
            self._forget_experience()
        if "temperature" not in keeps and self.ent_coef_optimizer is not None:
            self._renew_temperature()
            renew_optimizer(self.ent_coef_optimizer)

    def _begin_iteration(self, step: int, update: int) -> None:
        super()._begin_iteration(step, update)
        self._before: list[Tensor] = copy_parameters(self.parts) if self.diagnostics else []

    def _end_iteration(self) -> None:
        self._finish_iteration()
        assert self.replay_buffer is not None
        begun = self.num_timesteps > max(self.learning_starts, self._explores_until)
        if self.diagnostics and self.parts and begun and self.replay_buffer.size() > 0:
            subject = make_subject(self, self.parts, self._before, self._present_options())
            for tag, value in diagnose(subject, self.diagnostics, self.iteration).items():
                self.logger.record(tag, value)

    def _setup_learn(self, *args: Any, **kwargs: Any) -> tuple[int, BaseCallback]:
        prepared = super()._setup_learn(*args, **kwargs)
        if not self._before and self.diagnostics:
            self._before = copy_parameters(self.parts)
        if self._learner is not None and self.backend == "auto":
            per_step = self.replay_ratio
            if per_step is None:
                per_step = abs(self.gradient_steps) / self.n_envs
            worthwhile = self._total_timesteps * per_step >= WORTHWHILE_STEPS
            self._learner.compiled = worthwhile and can_compile("SAC")
        return prepared

    def _attach_methods(self) -> None:
        super()._attach_methods()
        self._asked = [method for method in self.methods if overrides(method, "before_updates")]
        if self._asked and self.ratio is None:
            self._count_by_ratio()
        self._entropy_weights = gather_entropy_weights(self.methods, SACOptions(**self.options))

    def _ask_methods(self) -> None:
        if not self._asked:
            return
        assert self.replay_buffer is not None
        assert self.ratio is not None
        assert self.replay_ratio is not None
        steps = self.earlier_steps + self.num_timesteps
        replay = Replay(self.replay_buffer, steps, self._episode_num, self.replay_ratio)
        for method in self._asked:
            method.before_updates(replay)
        self.ratio.value = replay.ratio

    def _present_options(self) -> SACOptions:
        options = SACOptions(**self.options)
        if self._entropy_weights is None:
            return options
        return replace(options, entropy_weights=tuple(self._entropy_weights.tolist()))

    def _connect_methods(self) -> None:
        if self.methods:
            self.critic_target.load_state_dict(self.critic.state_dict())
        options = SACOptions(**self.options)
        options.check_sizes(len(self.critic.q_networks), int(np.prod(self.action_space.shape or 1)))
        self._learner = None
        reason: str | None = "as asked for"
        if self.backend != "reference":
            reason = why_reference(self)
            if reason is None:
                try:
                    self._learner = SACLearner(
                        self, self.methods, self.parts, options, self._entropy_weights
                    )
                except NotPure as error:
                    reason = str(error)
        if self._learner is not None:
            self._penalties = self._learner.penalties
            self._learner.compiled = self.backend == "compiled" and can_compile("SAC")
            return
        if departures := options.departures():
            raise SettingsError(
                f"stable-baselines3's update has no {departures[0]}, but SAC must run on the "
                f"reference back end: {reason}"
            )
        if self.backend != "reference":
            notify(f"SAC runs on the reference back end ({reason})")
        super()._connect_methods()
        if self._entropy_weights is not None:
            weigh_entropy(self.actor, self._entropy_weights)
        critics = [part for part in self.parts if part.name != "actor"]
        shield_critic(self.critic, critics)

    def _renew_temperature(self) -> None:
        assert isinstance(self.ent_coef_optimizer, Adam)
        assert self.log_ent_coef is not None
        # As stable-baselines3 reads "auto_0.1".
        _, _, initial = str(self.ent_coef).partition("_")
        self.log_ent_coef.data.fill_(math.log(float(initial or 1)))
        self.ent_coef_optimizer.reset(self.log_ent_coef, ...)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_learner", "_asked", "_entropy_weights"]

    def _optimizer_owners(self) -> Sequence[nn.Module]:
        return [self.actor, self.critic]

    def _build_parts(self) -> tuple[Part, ...]:
        parts = build_parts(self.actor, self.critic, self.critic_target)
        if self.methods and self.ent_coef_optimizer is not None:
            rate, temperature = self.lr_schedule(1), self.log_ent_coef
            self.ent_coef_optimizer = Adam([temperature], lr=rate)  # type: ignore[assignment, arg-type]
            parts[0].renew_temperature = self._renew_temperature
        if self.methods:
            parts[0].differentiate = partial(differentiate_actor, self, parts)
        return parts
