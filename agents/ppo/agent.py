"""Proximal policy optimization with methods."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, final

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from ...wrappers.errors import unknown
from ..backends import BACKENDS, WORTHWHILE_STEPS, can_compile, notify
from ..diagnostics import Diagnostics, diagnose
from ..diagnostics.observation import copy_parameters
from ..experience import Rollout
from ..layers import Part
from ..method import Method, overrides
from ..networks import NotPure
from ..on_policy_host import OnPolicyHost
from ..retention.task import Examples
from .diagnosis import make_subject
from .learner import PPOLearner
from .old_examples import differentiate_actor
from .parts import build_parts
from .rollout import RolloutCollector
from .support import why_reference


@final
class PPO(OnPolicyHost, stable_baselines3.PPO):
    """stable-baselines3's PPO with methods that keep it able to learn.

    Schulman et al., "Proximal policy optimization algorithms" (2017). Everything of
    `stable_baselines3.PPO` works as it does there. With `backend="reference"` and without methods
    the agent also learns the same, bit for bit; the other back ends compute the same update in
    another order, several times faster, and draw other random numbers for the same actions' law.
    What they can't train (images, dictionaries, state-dependent exploration, policies of one's
    own, networks on a GPU) falls back to the reference, with one line that says so. With images
    little is lost: on 36 x 36 pixels seven tenths of the update are the convolutions themselves,
    so that no other order of the rest could be 1.5 times faster. With methods,
    torch's Adam is replaced by `everlearn.agents.adam.Adam`, which learns the same and can be
    reset for single units. Each row of the log holds a rollout and the update with it;
    stable-baselines3's own rows hold the update before it.

    Args:
        policy: as for `stable_baselines3.PPO`, and so are all others but the following.
        env: the world, or its id in gymnasium, or a vector of copies.
        methods: what keeps the agent able to learn; the agent uses its own copies.
        backend: how the update is computed: one of `everlearn.agents.backends.BACKENDS`.
        diagnostics: whether to log `plasticity/*` each iteration, and `Diagnostics` to say how
            often what; never changes learning.

    Raises:
        SettingsError: an unknown backend, a method that is none, or that does not fit.

    Example:
        >>> from everlearn.agents import PPO, ContinualBackprop
        >>> agent = PPO(
        ...     "MlpPolicy", "CartPole-v1", n_steps=64, methods=[ContinualBackprop()], device="cpu"
        ... )
        >>> agent.learn(64).num_timesteps
        64
    """

    def __init__(
        self,
        policy: str | type[ActorCriticPolicy],
        env: GymEnv | str,
        learning_rate: float | Schedule = 3e-4,
        n_steps: int = 2048,
        batch_size: int = 64,
        n_epochs: int = 10,
        gamma: float = 0.99,
        gae_lambda: float = 0.95,
        clip_range: float | Schedule = 0.2,
        clip_range_vf: float | Schedule | None = None,
        normalize_advantage: bool = True,
        ent_coef: float = 0.0,
        vf_coef: float = 0.5,
        max_grad_norm: float = 0.5,
        use_sde: bool = False,
        sde_sample_freq: int = -1,
        rollout_buffer_class: type[RolloutBuffer] | None = None,
        rollout_buffer_kwargs: dict[str, Any] | None = None,
        target_kl: float | None = None,
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
    ) -> None:
        if backend not in BACKENDS:
            raise unknown("backend", backend, BACKENDS)
        self.backend = backend
        self.diagnostics = diagnostics
        self._learner: PPOLearner | None = None
        self._collector: RolloutCollector | None = None
        self._hold_methods(methods)
        super().__init__(
            policy=policy,
            env=env,
            learning_rate=learning_rate,
            n_steps=n_steps,
            batch_size=batch_size,
            n_epochs=n_epochs,
            gamma=gamma,
            gae_lambda=gae_lambda,
            clip_range=clip_range,
            clip_range_vf=clip_range_vf,
            normalize_advantage=normalize_advantage,
            ent_coef=ent_coef,
            vf_coef=vf_coef,
            max_grad_norm=max_grad_norm,
            use_sde=use_sde,
            sde_sample_freq=sde_sample_freq,
            rollout_buffer_class=rollout_buffer_class,
            rollout_buffer_kwargs=rollout_buffer_kwargs,
            target_kl=target_kl,
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

    def train(self) -> None:
        """Update the networks with the rollout, then log the whole iteration."""
        self._show_rollout()
        before = copy_parameters(self.parts) if self.diagnostics else []
        if self._learner is None:
            super().train()
        else:
            self._learner.train()
        self._finish_iteration()
        if self.diagnostics and self.parts:
            subject = make_subject(self, self.parts, before)
            iteration = self.num_timesteps // (self.n_steps * self.n_envs)
            for tag, value in diagnose(subject, self.diagnostics, iteration).items():
                self.logger.record(tag, value)
        self._write_row()

    def _collect(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        if self._collector is None:
            return super()._collect(env, callback, rollout_buffer, n_rollout_steps)
        return self._collector.collect(self._watch(env), callback, rollout_buffer, n_rollout_steps)

    def _connect_methods(self) -> None:
        self._learner = self._collector = None
        if self.backend != "reference":
            reason = why_reference(self)
            if reason is None:
                try:
                    self._learner = PPOLearner(self, self.methods, self.parts)
                except NotPure as error:
                    reason = str(error)
            if reason is not None:
                notify(f"PPO runs on the reference back end ({reason})")
        if self._learner is None:
            super()._connect_methods()
            return
        self._collector = RolloutCollector(self, self._learner.networks, self._learner.flat)
        self._penalties = self._learner.penalties
        self._learner.compiled = self.backend == "compiled" and can_compile("PPO")

    def _setup_learn(self, *args: Any, **kwargs: Any) -> tuple[int, BaseCallback]:
        prepared = super()._setup_learn(*args, **kwargs)
        if self._learner is not None and self.backend == "auto":
            n_minibatches = self.n_steps * self.n_envs / self.batch_size
            n_iterations = self._total_timesteps / (self.n_steps * self.n_envs)
            worthwhile = n_iterations * self.n_epochs * n_minibatches >= WORTHWHILE_STEPS
            self._learner.compiled = worthwhile and can_compile("PPO")
        return prepared

    @torch.no_grad()
    def _show_rollout(self) -> None:
        looking = [method for method in self.methods if overrides(method, "after_rollout")]
        if not looking:
            return
        buffer = self.rollout_buffer
        inputs = self._read(buffer.observations.reshape(-1, *buffer.obs_shape))
        rollout = Rollout(
            inputs.unflatten(0, buffer.rewards.shape),
            *(
                self._to_tensor(array).clone()
                for array in (
                    *(buffer.actions, buffer.rewards, buffer.episode_starts),
                    *(buffer.log_probs, buffer.values),
                )
            ),
        )
        for method in looking:
            method.after_rollout(rollout)

    def _read(self, observations: np.ndarray) -> Tensor:
        """Return what the actor's network reads of observations."""
        found = self.policy.extract_features(self._to_tensor(observations))
        return (found if isinstance(found, Tensor) else found[0]).detach()

    def _draw_examples(self, count: int, generator: torch.Generator | None) -> Examples:
        buffer = self.rollout_buffer
        observations, actions = (
            # In the order in which minibatches take them, whether any were taken or not.
            array if buffer.generator_ready else buffer.swap_and_flatten(array)
            for array in (buffer.observations, buffer.actions)
        )
        rows = torch.randint(len(observations), (count,), generator=generator).numpy()
        return Examples(self._read(observations[rows]), self._to_tensor(actions[rows]))

    def _to_tensor(self, array: np.ndarray) -> Tensor:
        return torch.as_tensor(array, device=self.device)

    def _before_change(self) -> None:
        if self._collector is not None:
            self._collector.settle()

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_learner", "_collector"]

    def _build_parts(self) -> tuple[Part, ...]:
        parts = build_parts(self.policy)
        if self.methods:
            parts[0].differentiate = partial(differentiate_actor, parts[0])
        return parts
