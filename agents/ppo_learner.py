"""PPO's iteration of gradient steps, for all back ends but the reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, final

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.utils import explained_variance
from torch import Tensor

from .backends import Compiled
from .layers import Part
from .method import Method
from .parameters import FlatParameters
from .ppo_loss import Batch
from .ppo_update import Scales, Statistics, Update, write_actor_critic

BUFFER_FIELDS = ("observations", "actions", "values", "log_probs", "advantages", "returns")
"""What stable-baselines3's rollout buffer calls the fields of `Batch`, in the same order."""


@final
class PPOLearner:
    """Trains a PPO agent as `stable_baselines3.PPO.train` does, with `ppo_update`.

    It draws the same minibatches from numpy's global generator and logs the same statistics.

    Args:
        agent: whose policy is to be trained.
        methods: the agent's.
        parts: the agent's networks, the actor first.

    Raises:
        NotPure: the policy's networks can't be written as functions.
    """

    def __init__(
        self, agent: stable_baselines3.PPO, methods: Sequence[Method], parts: Sequence[Part]
    ) -> None:
        self.compiled = False
        """Whether to compile the update; may be changed between iterations."""
        self.networks = write_actor_critic(agent.policy)
        acting = [m for m in methods if type(m).after_step is not Method.after_step]
        self.flat = FlatParameters(
            list(agent.policy.parameters()), agent.policy.optimizer, elementwise=bool(acting)
        )
        self.penalties: list[Tensor] = []
        """The penalties of the gradient steps since somebody last cleared the list."""
        self._agent = agent
        self._after_step = [(method, part) for method in acting for part in parts]
        self._penalized = [
            (method, part)
            for method in methods
            if type(method).penalty is not Method.penalty
            for part in parts
        ]
        keeps_features = any(method.needs_features for method in methods)
        self._watched = [layer for part in parts for layer in part.hidden if keeps_features]
        self._update: Update | None = None
        self._functions: dict[str, Compiled] = {}

    @torch.no_grad()
    def train(self) -> None:
        """Make the gradient steps of one iteration, and log them."""
        agent = self._agent
        agent.policy.set_training_mode(True)
        agent._update_learning_rate(agent.policy.optimizer)
        self.flat.adopt()
        self._prepare()
        scales = self._scales()
        rollout = take_rollout(agent.rollout_buffer, self.flat.values.dtype)
        # Like stable-baselines3's, the KL divergence that is logged is the last epoch's.
        epochs: list[list[Tensor]] = []
        n_steps = 0
        stopped = False
        for epoch in range(agent.n_epochs):
            epochs.append([])
            for batch in shuffle(rollout, agent.batch_size):
                epochs[-1].append(self._step(batch, scales, n_steps))
                stopped = agent.target_kl is not None and bool(epochs[-1][-1][-1])
                if stopped:
                    break
                n_steps += 1
            agent._n_updates += 1
            if stopped:
                if agent.verbose >= 1:
                    kl = Statistics(*epochs[-1][-1].tolist()).approx_kl
                    print(f"Early stopping at step {epoch} due to reaching max kl: {kl:.2f}")
                break
        self.flat.count(n_steps)
        self._log(epochs, scales)

    def _prepare(self) -> None:
        agent, group = self._agent, self.flat.optimizer.param_groups[0]
        update = Update(
            networks=self.networks,
            shapes=tuple(self.flat.shapes),
            betas=group["betas"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            normalize_advantage=agent.normalize_advantage,
            clip_values=agent.clip_range_vf is not None,
            early_stop=agent.target_kl is not None,
        )
        if update == self._update:
            return
        self._update = update
        self._functions = _compile(update)

    def _scales(self) -> Scales:
        agent = self._agent
        progress = agent._current_progress_remaining
        schedule: Any = agent.clip_range
        schedule_vf: Any = agent.clip_range_vf
        return Scales(
            learning_rate=self.flat.optimizer.param_groups[0]["lr"],
            clip_range=schedule(progress),
            clip_range_vf=0.0 if schedule_vf is None else schedule_vf(progress),
            entropy_coefficient=agent.ent_coef,
            value_coefficient=agent.vf_coef,
            max_grad_norm=agent.max_grad_norm,
            kl_limit=float("inf") if agent.target_kl is None else 1.5 * agent.target_kl,
            mean_weight=1.0,
            square_weight=1.0,
        )

    def _step(self, batch: Batch, scales: Scales, n_before: int) -> Tensor:
        update, flat = self._update, self.flat
        assert update is not None
        beta1, beta2 = update.betas
        n_steps = flat.steps + n_before + 1
        scales = scales._replace(mean_weight=1 - beta1**n_steps, square_weight=1 - beta2**n_steps)
        step: Any = update.step
        gradient: Any = update.gradient
        apply: Any = update.apply
        numbers: Any = scales
        # A last smaller minibatch is not worth a graph of its own.
        if self.compiled and len(batch.actions) == self._agent.batch_size:
            numbers = torch.tensor(scales, dtype=flat.values.dtype)
            step, gradient, apply = (self._functions[n] for n in ("step", "gradient", "apply"))
        if not self._penalized:
            statistics, features = step(flat.values, flat.memory, batch, numbers)
        else:
            whole, statistics, features = gradient(flat.values, batch, numbers)
            if not (update.early_stop and statistics[-1]):
                flat.gradient.copy_(whole)
                self._add_penalties()
                apply(flat.values, flat.memory, flat.gradient, numbers, statistics[-1])
        if not (update.early_stop and statistics[-1]):
            self._act(features)
        return statistics

    def _add_penalties(self) -> None:
        with torch.enable_grad():
            penalties = [
                penalty
                for method, part in self._penalized
                if (penalty := method.penalty(part)) is not None
            ]
            if not penalties:
                return
            total = torch.stack(penalties).sum()
            self.penalties.append(total.detach())
            if not total.requires_grad:
                return
            gradients = torch.autograd.grad(total, self.flat.parameters, allow_unused=True)
        for view, gradient in zip(self.flat.split(self.flat.gradient), gradients, strict=True):
            if gradient is not None:
                view.add_(gradient)

    def _act(self, features: list[Tensor]) -> None:
        for layer, feature in zip(self._watched, features, strict=False):
            layer.features = feature
        for method, part in self._after_step:
            method.after_step(part)

    def _log(self, epochs: list[list[Tensor]], scales: Scales) -> None:
        agent = self._agent
        rows = [Statistics(*row.tolist()) for epoch in epochs for row in epoch]
        means = Statistics(*np.mean(np.array(rows), axis=0))
        buffer, record = agent.rollout_buffer, agent.logger.record
        record("train/entropy_loss", means.entropy_loss)
        record("train/policy_gradient_loss", means.policy_loss)
        record("train/value_loss", means.value_loss)
        record("train/approx_kl", np.mean([row.approx_kl for row in rows[-len(epochs[-1]) :]]))
        record("train/clip_fraction", means.clip_fraction)
        record("train/loss", rows[-1].loss)
        explained = explained_variance(buffer.values.flatten(), buffer.returns.flatten())
        record("train/explained_variance", explained)
        if self.networks.log_std is not None:
            std = self.flat.parameters[self.networks.log_std].exp().mean()
            record("train/std", std.item())
        record("train/n_updates", agent._n_updates, exclude="tensorboard")
        record("train/clip_range", scales.clip_range)
        if agent.clip_range_vf is not None:
            record("train/clip_range_vf", scales.clip_range_vf)


def _compile(update: Update) -> dict[str, Compiled]:
    """Return an update's functions, which take their scales as one tensor."""

    def step(values: Any, memory: Any, batch: Any, numbers: Tensor) -> Any:
        return update.step(values, memory, batch, Scales(*numbers.unbind()))

    def gradient(values: Any, batch: Any, numbers: Tensor) -> Any:
        return update.gradient(values, batch, Scales(*numbers.unbind()))

    def apply(values: Any, memory: Any, flat: Any, numbers: Tensor, stopped: Any) -> Any:
        return update.apply(values, memory, flat, Scales(*numbers.unbind()), stopped)

    return {
        "step": Compiled(step, "PPO's update"),
        "gradient": Compiled(gradient, "PPO's gradient"),
        "apply": Compiled(apply, "PPO's optimizer"),
    }


def take_rollout(buffer: RolloutBuffer, dtype: torch.dtype) -> Batch:
    """Return a whole rollout, copy after copy of the world, as stable-baselines3 orders it.

    Args:
        buffer: a full one; its fields are flattened in place, as `RolloutBuffer.get` does.
        dtype: what numbers are to be; the integers of discrete actions stay as they are.
    """
    if not buffer.generator_ready:
        for name in BUFFER_FIELDS:
            setattr(buffer, name, buffer.swap_and_flatten(getattr(buffer, name)))
        buffer.generator_ready = True
    observations, actions, *rest = (
        torch.as_tensor(getattr(buffer, name)) for name in BUFFER_FIELDS
    )
    actions = actions.to(dtype) if actions.is_floating_point() else actions.long().flatten()
    return Batch(
        observations.flatten(start_dim=1).to(dtype),
        actions,
        *(column.flatten().to(dtype) for column in rest),
    )


def shuffle(rollout: Batch, batch_size: int) -> Iterator[Batch]:
    """Yield the minibatches of one epoch, those that stable-baselines3 would.

    Args:
        rollout: all transitions.
        batch_size: transitions in a minibatch; the last may have fewer.
    """
    order = torch.from_numpy(np.random.permutation(len(rollout.actions)))
    # One gather for the whole epoch: a minibatch is then a slice.
    columns = [column[order].split(batch_size) for column in rollout]
    for minibatch in zip(*columns, strict=True):
        yield Batch(*minibatch)
