"""What agents that learn from transitions alone have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, Self, final

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback
from torch import Tensor

from ...wrappers.errors import SettingsError
from ..replay.pieces import Array
from ..replay.transitions import Transitions
from ..sac.losses import Batch

ITERATION_STEPS = 1000
"""Gradient steps in an iteration."""

Columns = tuple[Array, ...]
"""What is drawn from, in memory or in files: those of `Batch`, and the returns."""


@final
class Rows(NamedTuple):
    """Transitions that were drawn."""

    batch: Batch
    """The transitions."""

    returns: Tensor
    """Discounted sums of rewards from each transition on, of shape (batch,)."""


class OfflineAgent(BaseAlgorithm):
    """An agent of stable-baselines3 that learns from a set of transitions: abstract.

    A step is a gradient step, and an iteration a number of them. The worlds are never stepped:
    they say what observations and actions are like, and callbacks may try the agent in others.

    Args:
        policy: a class of policies.
        env: worlds whose actions are bounded vectors.
        data: what to learn from; may be left out by who only loads an agent to act.
        learning_rate: Adam's step size.
        batch_size: transitions in a gradient step, at least 1.
        gamma: discount factor, from 0 to 1.
        tau: how far target networks move at each step, from 0 to 1.
        iteration_steps: gradient steps in an iteration, at least 1.
        policy_kwargs: settings of the policy.
        seed: of all that is drawn.
        device: where networks are.
        verbose: as for stable-baselines3.

    Raises:
        SettingsError: a number out of its range, or data of other shapes than the worlds'.
    """

    def __init__(
        self,
        policy: type[BasePolicy],
        env: GymEnv | str | None,
        data: Transitions | None = None,
        learning_rate: float = 3e-4,
        batch_size: int = 256,
        gamma: float = 0.99,
        tau: float = 0.005,
        iteration_steps: int = ITERATION_STEPS,
        policy_kwargs: dict[str, Any] | None = None,
        seed: int | None = None,
        device: torch.device | str = "auto",
        verbose: int = 0,
        _init_setup_model: bool = True,
    ) -> None:
        for name, value in {"batch_size": batch_size, "iteration_steps": iteration_steps}.items():
            if value < 1:
                raise SettingsError(f"{name} must be 1 or more, not {value}")
        for name, part in {"gamma": gamma, "tau": tau}.items():
            if not 0 <= part <= 1:
                raise SettingsError(f"{name} must be from 0 to 1, not {part}")
        super().__init__(
            policy,
            env,
            learning_rate,
            policy_kwargs=policy_kwargs,
            verbose=verbose,
            device=device,
            support_multi_env=True,
            seed=seed,
            supported_action_spaces=(spaces.Box,),
        )
        self.data = data
        self.batch_size = batch_size
        self.gamma = gamma
        self.tau = tau
        self.iteration_steps = iteration_steps
        self.iteration = 0
        self._columns: Columns = ()
        if _init_setup_model:
            self._setup_model()

    @abstractmethod
    def _update(self, rows: Rows) -> dict[str, Tensor]:
        """Make a gradient step; return what is to be logged."""

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int | None = 1,
        tb_log_name: str = "offline",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Make gradient steps.

        Args:
            total_timesteps: how many.
            callback: called once an iteration.
            log_interval: iterations from one row of the log to the next, or None for no rows.
            tb_log_name: name of the run in TensorBoard.
            reset_num_timesteps: whether steps and iterations are counted from 0 again.
            progress_bar: whether to show a progress bar.
        """
        if self.data is None:
            raise SettingsError(f"{type(self).__name__} needs data to learn from")
        total, called = self._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        if reset_num_timesteps:
            self.iteration = 0
        worlds = getattr(self.env, "unwrapped", None)
        infos = list(getattr(worlds, "reset_infos", None) or [{}] * self.n_envs)
        called.on_training_start({"infos": infos, "self": self}, {})
        while self.num_timesteps < total:
            called.on_rollout_start()
            self._iterate(min(self.iteration_steps, total - self.num_timesteps))
            if not called.on_step():
                break
            called.on_rollout_end()
            if log_interval is not None and self.iteration % log_interval == 0:
                self.logger.record("time/iterations", self.iteration, exclude="tensorboard")
                self.logger.dump(self.num_timesteps)
        called.on_training_end()
        return self

    def _iterate(self, n_steps: int) -> None:
        sums: dict[str, Tensor] = {}
        self.policy.set_training_mode(True)
        for _ in range(n_steps):
            for name, value in self._update(self._draw()).items():
                sums[name] = sums.get(name, torch.zeros(())) + value.detach()
            self._n_updates += 1
            self.num_timesteps += 1
        self.policy.set_training_mode(False)
        self.iteration += 1
        for name, total in sums.items():
            self.logger.record(f"train/{name}", (total / n_steps).item())
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")

    def _draw(self) -> Rows:
        drawn = np.random.randint(0, len(self._columns[0]), size=self.batch_size)
        return self._take(self._columns, drawn)

    def _take(self, columns: Columns, rows: np.ndarray) -> Rows:
        *batch, returns = (
            torch.as_tensor(np.ascontiguousarray(column[rows], np.float32), device=self.device)
            for column in columns
        )
        batch[0], batch[2] = batch[0].flatten(start_dim=1), batch[2].flatten(start_dim=1)
        return Rows(Batch(*batch), returns)

    def _setup_model(self) -> None:
        self._setup_lr_schedule()
        self.set_random_seed(self.seed)
        self.policy = self.policy_class(
            self.observation_space, self.action_space, self.lr_schedule, **self.policy_kwargs
        ).to(self.device)
        if self.data is not None:
            self._hold(self.data)

    def _hold(self, data: Transitions) -> None:
        """Draw from transitions from now on."""
        assert isinstance(self.action_space, spaces.Box)
        assert self.observation_space.shape is not None
        wanted = (self.observation_space.shape, (int(np.prod(self.action_space.shape)),))
        found = (data.observations.shape[1:], data.actions.shape[1:])
        if found != wanted:
            raise SettingsError(
                f"the data have observations and actions of shapes {found}, not {wanted}"
            )
        if not len(data):
            raise SettingsError("the data need at least one transition")

        discounts = data.discounts
        if discounts is None:
            discounts = np.full(len(data), self.gamma, np.float32)
        observed = data.observations, data.actions, data.next_observations
        returns = data.returns_to_go(self.gamma)
        self._columns = (*observed, data.terminals, data.rewards, discounts, returns)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "data", "_columns"]


@torch.no_grad()
def follow(targets: Sequence[Tensor], parameters: Sequence[Tensor], tau: float) -> None:
    """Let target networks follow by Polyak averaging.

    Args:
        targets: their parameters.
        parameters: those they follow.
        tau: how far, from 0 to 1.

    Example:
        >>> target = torch.zeros(1)
        >>> follow([target], [torch.ones(1)], 0.25)
        >>> target
        tensor([0.2500])
    """
    torch._foreach_lerp_(list(targets), list(parameters), tau)


def step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Make a gradient step of one optimizer, whose parameters alone get gradients.

    Args:
        optimizer: what is to step.
        loss: what it is to make smaller.
    """
    group = [p for g in optimizer.param_groups for p in g["params"] if p.requires_grad]
    for parameter, gradient in zip(group, torch.autograd.grad(loss, group), strict=True):
        parameter.grad = gradient
    optimizer.step()
