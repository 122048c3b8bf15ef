"""PPO's iteration of gradient steps, for all back ends but the reference."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, final

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.utils import explained_variance
from torch import Tensor

from ..backends import Compiled
from ..flat_adam import AdamSettings
from ..layers import Part
from ..method import Method, may_reset_optimizer, overrides
from ..parameters import FlatParameters
from ..penalties import gather_penalties
from .batches import Columns, shuffle
from .update import Features, Scales, Statistics, Update, write_actor_critic

APPROX_KL = Statistics._fields.index("approx_kl")
PENALTY = Statistics._fields.index("penalty")


@final
class PPOLearner:
    """Trains a PPO agent as `stable_baselines3.PPO.train` does, with `update.Update`.

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
        acting = [method for method in methods if overrides(method, "after_step")]
        self.flat = FlatParameters(
            list(agent.policy.parameters()), agent.policy.optimizer, may_reset_optimizer(methods)
        )
        self.penalties: list[Tensor] = []
        """The penalties of the gradient steps since somebody last cleared the list."""
        self._agent = agent
        self._parts = parts
        self._resets_soon = may_reset_optimizer(methods, soon=True)
        self._after_step = [(method, part) for method in acting for part in parts]
        penalizing = [method for method in methods if overrides(method, "penalty")]
        self._penalized = [(method, part) for method in penalizing for part in parts]
        self._gathered = gather_penalties(methods, parts, self.flat.parameters)
        self._observers = tuple(method for method in methods if overrides(method, "observe"))
        self._watches = any(m.needs_features and m not in self._observers for m in methods)
        self._exposes = any(method.needs_gradients for method in methods)
        self._changing = [method for method in methods if overrides(method, "change_gradients")]
        self._rows: Tensor | None = None
        for part in parts:
            part.observed, part.batch = True, self._last_observations
        self._update: Update | None = None
        self._functions: dict[bool, SimpleNamespace] = {}

    @torch.no_grad()
    def train(self) -> None:
        """Make the gradient steps of one iteration, and log them."""
        agent = self._agent
        agent.policy.set_training_mode(True)
        agent._update_learning_rate(agent.policy.optimizer)
        self.flat.adopt()
        update = self._prepare()
        rollout = update.columns.pack(agent.rollout_buffer, self.flat.values.dtype)
        scales = self._scales()
        most = agent.n_epochs * math.ceil(len(rollout) / agent.batch_size)
        steps = self._number_steps(scales, most)
        # As with stable-baselines3, the KL divergence that is logged is the last epoch's.
        epochs: list[list[Tensor]] = []
        for epoch in range(agent.n_epochs):
            epochs.append([])
            for rows in shuffle(rollout, agent.batch_size):
                statistics, stepped = self._step(rows, *next(steps))
                epochs[-1].append(statistics)
                if not stepped:
                    break
            agent._n_updates += 1
            if not stepped:
                if agent.verbose >= 1:
                    kl = statistics[APPROX_KL].item()
                    print(f"Early stopping at step {epoch} due to reaching max kl: {kl:.2f}")
                break
        self.flat.count()
        self._log(epochs, scales)

    def _prepare(self) -> Update:
        agent, flat = self._agent, self.flat
        update = Update(
            networks=self.networks,
            columns=Columns(
                inputs=int(np.prod(agent.rollout_buffer.obs_shape)),
                dimensions=agent.rollout_buffer.action_dim,
                discrete=self.networks.log_std is None,
            ),
            shapes=tuple(flat.shapes),
            adam=AdamSettings.of(flat.optimizer) if flat.fused else None,
            normalize_advantage=agent.normalize_advantage,
            clip_values=agent.clip_range_vf is not None,
            batch_size=agent.batch_size,
            dtype=flat.values.dtype,
            keeps_features=self._watches,
            observers=self._observers,
            penalties=self._gathered,
        )
        if self.compiled and self._resets_soon:
            # They would come in mid-run, and with them another compilation.
            flat.hold_corrections()
        if update != self._update:
            self._update = update
            self._functions = {held: _compile(update) for held in (False, True)}
        if self._exposes:
            flat.expose_gradient()
        return update

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
            mean_correction=1.0,
            square_correction=1.0,
        )

    def _number_steps(self, scales: Scales, most: int) -> Iterator[tuple[Scales, Tensor]]:
        """Yield the scales of each step, as they are and as a tensor."""
        assert self._update is not None
        beta1, beta2 = self._update.adam.betas if self._update.adam is not None else (0.0, 0.0)
        counts = range(self.flat.steps + 1, self.flat.steps + 1 + most)
        each = [
            scales._replace(mean_correction=1 - beta1**n, square_correction=1 - beta2**n)
            for n in counts
        ]
        return zip(each, torch.tensor(each, dtype=self.flat.values.dtype).unbind(), strict=True)

    def _step(self, rows: Tensor, scales: Scales, tensor: Tensor) -> tuple[Tensor, bool]:
        """Return the statistics, and whether a gradient step was made."""
        flat, agent = self.flat, self._agent
        functions: Any = self._update
        numbers: Any = scales
        penalty: Tensor | None = None
        # A last smaller minibatch is not worth a graph of its own.
        if self.compiled and len(rows) == agent.batch_size:
            # What was compiled does not look how much there is in the memory.
            functions, numbers = self._functions[flat.holds_corrections], tensor
        joined = flat.fused and not (self._penalized or self._exposes or self._changing)
        if joined and agent.target_kl is None:
            statistics, features = functions.step(flat.values, flat.memory, rows, numbers)
        else:
            gradient, statistics, features = functions.gradient(flat.values, rows, numbers)
            if agent.target_kl is not None and statistics[APPROX_KL] > 1.5 * agent.target_kl:
                return statistics, False
            flat.gradient.copy_(gradient)
            penalty = self._add_penalties()
            if self._changing:
                # Methods change what is clipped already, as with stable-baselines3.
                self._update.clip(flat.gradient, scales)  # type: ignore[union-attr]
                self._change_gradients()
                scales = scales._replace(max_grad_norm=math.inf)
                numbers = scales if functions is self._update else tensor.new_tensor(scales)
            if flat.fused:
                functions.apply(flat.values, flat.memory, flat.gradient, numbers, features)
            else:
                self._update.clip(flat.gradient, scales)  # type: ignore[union-attr]
                flat.optimizer.step()
                if self._observers or self._gathered:
                    functions.observe(flat.values, features)
        if self._gathered or penalty is not None:
            gathered = statistics[PENALTY]
            self.penalties.append(gathered if penalty is None else gathered + penalty)
        flat.steps += flat.fused
        self._rows = rows
        self._act(features)
        return statistics, True

    def _last_observations(self) -> Tensor | None:
        if self._rows is None or self._update is None:
            return None
        return self._update.columns.unpack(self._rows).observations

    def _add_penalties(self) -> Tensor | None:
        with torch.enable_grad():
            penalties = [
                penalty
                for method, part in self._penalized
                if (penalty := method.penalty(part)) is not None
            ]
            if not penalties:
                return None
            total = torch.stack(penalties).sum()
            if not total.requires_grad:
                return total
            gradients = torch.autograd.grad(total, self.flat.parameters, allow_unused=True)
        for view, gradient in zip(self.flat.split(self.flat.gradient), gradients, strict=True):
            if gradient is not None:
                view.add_(gradient)
        return total.detach()

    def _change_gradients(self) -> None:
        pairs = zip(self.flat.parameters, self.flat.split(self.flat.gradient), strict=True)
        views = {id(parameter): view for parameter, view in pairs}
        for method in self._changing:
            for part in self._parts:
                method.change_gradients(part, [views[id(p)] for p in part.parameters])

    def _act(self, features: Features) -> None:
        if self._watches:
            for part in self._parts:
                for layer, outputs in zip(part.hidden, features[part.name], strict=True):
                    layer.features = outputs
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


def _compile(update: Update) -> SimpleNamespace:
    """Return an update's functions, compiled, which take their scales as one tensor."""

    def step(values: Any, memory: Any, rows: Any, numbers: Tensor) -> Any:
        return update.step(values, memory, rows, Scales(*numbers.unbind()))

    def gradient(values: Any, rows: Any, numbers: Tensor) -> Any:
        return update.gradient(values, rows, Scales(*numbers.unbind()))

    def apply(values: Any, memory: Any, flat: Any, numbers: Tensor, features: Any) -> Any:
        return update.apply(values, memory, flat, Scales(*numbers.unbind()), features)

    def observe(values: Any, features: Any) -> None:
        update.observe(values, features)

    return SimpleNamespace(
        step=Compiled(step, "PPO's update", constant=True),
        gradient=Compiled(gradient, "PPO's gradient", constant=True),
        apply=Compiled(apply, "PPO's optimizer", constant=True),
        observe=Compiled(observe, "PPO's observers", constant=True),
    )
