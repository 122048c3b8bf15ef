"""SAC's gradient steps, for all back ends but the reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np
import stable_baselines3
import torch
from torch import Tensor

from ..backends import Compiled
from ..flat_adam import AdamSettings
from ..layers import Part
from ..method import Method, may_reset_optimizer, overrides
from ..parameters import FlatParameters
from ..penalties import gather_penalties
from .flat import adopt, count_step, take_batch
from .losses import Batch, draw, temperature_loss
from .networks import write_ensemble
from .options import SACOptions
from .update import Update, make_functions


@final
class SACLearner:
    """Trains a SAC agent as `stable_baselines3.SAC.train` does, with `update.Update`.

    It draws the same random numbers from the same generators. The target networks are updated
    every `target_update_interval` critic steps, counted over the run; stable-baselines3 counts
    anew in each call of `train`, so that at one gradient step a call its interval has no effect.

    Args:
        agent: whose networks are to be trained.
        methods: the agent's.
        parts: the agent's networks, the actor first.
        options: how the update differs from stable-baselines3's.
        entropy_weights: of action dimensions, in place of those of the options; read at each
            gradient step.

    Raises:
        NotPure: the networks can't be written as functions.
    """

    def __init__(
        self,
        agent: stable_baselines3.SAC,
        methods: Sequence[Method],
        parts: Sequence[Part],
        options: SACOptions,
        entropy_weights: Tensor | None = None,
    ) -> None:
        self.compiled = False
        """Whether to compile the update; may be changed between calls of `train`."""
        self.penalties: list[Tensor] = []
        """The penalties of the gradient steps since somebody last cleared the list."""
        self._agent, self._options, self._methods = agent, options, methods
        actor, critics = agent.actor, agent.critic.q_networks
        self._ensembles = (
            write_ensemble([actor.latent_pi], options.bfloat16),
            write_ensemble([actor.mu, actor.log_std]),  # type: ignore[list-item]
            write_ensemble(critics, options.bfloat16),
        )
        acting = any(overrides(method, "after_step") for method in methods)
        self._resets = may_reset_optimizer(methods)
        self._resets_soon = may_reset_optimizer(methods, soon=True)
        self.actor = FlatParameters(list(actor.parameters()), actor.optimizer, self._resets)
        self.critic = FlatParameters(
            list(agent.critic.parameters()), agent.critic.optimizer, self._resets
        )
        targets = list(agent.critic_target.parameters())
        self.target = self.critic.join(parameter.detach() for parameter in targets)
        for parameter, view in zip(targets, self.critic.split(self.target), strict=True):
            parameter.data = view
        self._log_temperature: FlatParameters | None = None
        self._flats = [self.actor, self.critic]
        self._actor_parts = [part for part in parts if part.optimizer is actor.optimizer]
        self._critic_parts = [part for part in parts if part.optimizer is agent.critic.optimizer]
        self._gathered = (
            gather_penalties(methods, self._actor_parts, self.actor.parameters),
            gather_penalties(methods, self._critic_parts, self.critic.parameters),
        )
        self._watches = any(method.needs_features for method in methods)
        self._batch: Batch | None = None
        for part in parts:
            moves_actor = part in self._actor_parts
            part.batch = self._last_observations if moves_actor else self._last_pairs
        self._penalized = any(overrides(method, "penalty") for method in methods)
        self._exposes = any(method.needs_gradients for method in methods)
        self._changing = [method for method in methods if overrides(method, "change_gradients")]
        self._acting = acting
        self._weights = entropy_weights
        if entropy_weights is None and options.entropy_weights is not None:
            self._weights = torch.tensor(options.entropy_weights, dtype=self._dtype)
        self._prepared: tuple[Update, int] | None = None
        self._plain: dict[str, Callable[..., Any]] = {}
        self._compiled: dict[bool, dict[str, Callable[..., Any]]] = {}

    @property
    def _dtype(self) -> torch.dtype:
        return self.actor.values.dtype

    @torch.no_grad()
    def train(self, gradient_steps: int, batch_size: int) -> None:
        """Make gradient steps, and log them.

        Args:
            gradient_steps: how many.
            batch_size: transitions in each batch.
        """
        agent = self._agent
        if self._log_temperature is None and agent.ent_coef_optimizer is not None:
            # Only now: stable-baselines3 makes it after the networks.
            self._log_temperature = FlatParameters(
                [agent.log_ent_coef],  # type: ignore[list-item]
                agent.ent_coef_optimizer,
                self._resets,
            )
            self._flats.append(self._log_temperature)
        agent._update_learning_rate([flat.optimizer for flat in self._flats])
        for flat in self._flats:
            adopt(flat)
            if self._exposes:
                flat.expose_gradient()
            if self.compiled and self._resets_soon:
                # They would come in mid-run, and with them another compilation.
                flat.hold_corrections()
        self._prepare(batch_size)
        logged: dict[str, list[Tensor]] = {}
        for _ in range(gradient_steps):
            for name, value in self._step(batch_size).items():
                logged.setdefault(name, []).append(value)
            agent._n_updates += 1
        for flat in self._flats:
            for parameter in flat.parameters if flat.fused else ():
                flat.optimizer.state[parameter]["step"].fill_(flat.steps)
        agent.logger.record("train/n_updates", agent._n_updates, exclude="tensorboard")
        for name, values in logged.items():
            agent.logger.record(f"train/{name}", torch.stack(values).mean().item())

    @torch.no_grad()
    def act(self, observations: np.ndarray) -> np.ndarray:
        """Draw actions as stable-baselines3's `predict` does, without its detours.

        Args:
            observations: of every copy of the world.

        Returns:
            Actions from -1 to 1, of shape (copies, dimensions).
        """
        inputs = torch.as_tensor(observations).flatten(start_dim=1).to(self._dtype)
        noise = torch.randn(len(inputs), self._agent.action_space.shape[0], dtype=self._dtype)  # type: ignore[index]
        body, heads, _ = self._ensembles
        parameters = iter(self.actor.parameters)
        hidden = body.alone(parameters, inputs)
        means, log_stds = (heads.alone(parameters, hidden) for _ in range(2))
        return draw(means, log_stds, noise).numpy()

    def _step(self, batch_size: int) -> dict[str, Tensor]:
        agent = self._agent
        assert agent.replay_buffer is not None
        samples = agent.replay_buffer.sample(batch_size, env=agent._vec_normalize_env)
        batch = self._batch = take_batch(samples, agent.gamma, self._dtype)
        temperature = self._temperature()
        moves_actor = agent._n_updates % self._options.actor_delay == 0
        # Before the other noise, as in stable-baselines3.
        noise = torch.randn_like(batch.actions) if moves_actor else None
        target, next_noise = self._asked_targets(), torch.randn_like(batch.actions)
        logged = {"ent_coef": temperature.squeeze()}
        logged["critic_loss"], features = self._move(
            "critic",
            self.critic,
            self._critic_parts,
            (self.actor.values, target, batch, next_noise, self._weights, temperature),
        )
        for index, part in enumerate(self._critic_parts):
            self._act(part, features, index)
        if noise is not None:
            logged["actor_loss"], features, log_prob = self._move(
                "actor",
                self.actor,
                self._actor_parts,
                (self.critic.values, batch.observations, noise, self._weights, temperature),
            )
            # Before methods act: one may set the temperature back.
            if self._log_temperature is not None:
                logged["ent_coef_loss"] = self._move_temperature(log_prob)
            for part in self._actor_parts:
                self._act(part, features, 0)
        if agent._n_updates % agent.target_update_interval == 0:
            self.target.lerp_(self.critic.values, agent.tau)
        return logged

    def _move(
        self, name: str, flat: FlatParameters, parts: Sequence[Part], rest: tuple[Any, ...]
    ) -> tuple[Any, ...]:
        """Make a gradient step of one of the networks; return the loss and what comes with it."""
        # What was compiled does not look how much there is in the memory.
        functions = self._compiled[flat.holds_corrections] if self.compiled else self._plain
        total: Tensor | None = None
        if flat.fused and not (self._penalized or self._exposes or self._changing):
            results = functions[f"{name}_step"](flat.values, flat.memory, count_step(flat), *rest)
        else:
            gradient, *results = functions[f"{name}_gradient"](flat.values, *rest)
            flat.gradient.copy_(gradient)
            if self._penalized:
                total = self._add_penalties(flat, parts)
            self._change_gradients(flat, parts)
            self._apply(name, flat, functions)
        loss, penalty, *others = results
        penalties = [each for each in (penalty, total) if each is not None]
        if penalties:
            self.penalties.append(torch.stack(penalties).sum())
        return loss, *others

    def _apply(
        self, name: str, flat: FlatParameters, functions: Mapping[str, Callable[..., Any]]
    ) -> None:
        if flat.fused:
            functions[f"{name}_apply"](flat.values, flat.memory, count_step(flat), flat.gradient)
            return
        flat.optimizer.step()
        for penalties, of in zip(self._gathered, (self.actor, self.critic), strict=True):
            if of is flat:
                penalties.track(flat.values)

    def _move_temperature(self, log_prob: Tensor) -> Tensor:
        flat, target_entropy = self._log_temperature, self._agent.target_entropy
        assert flat is not None
        assert isinstance(target_entropy, float)
        loss, gradient = temperature_loss(flat.values, log_prob, target_entropy)
        rate, *corrections = count_step(flat).unbind()
        adam = AdamSettings.of(flat.optimizer)
        adam.step(flat.values, flat.memory, gradient.reshape(1), rate, corrections)
        return loss

    def _temperature(self) -> Tensor:
        if self._log_temperature is not None:
            return self._log_temperature.values.exp().to(self._dtype)
        return self._agent.ent_coef_tensor.reshape(1).to(self._dtype)

    def _asked_targets(self) -> Tensor:
        asked, n_critics = self._options.target_critics, len(self._agent.critic.q_networks)
        if asked is None or asked == n_critics:
            return self.target
        chosen = torch.randperm(n_critics)[:asked]
        return self.target.view(n_critics, -1)[chosen].reshape(-1)

    def _add_penalties(self, flat: FlatParameters, parts: Sequence[Part]) -> Tensor | None:
        with torch.enable_grad():
            penalties = [
                penalty
                for method in self._methods
                for part in parts
                if (penalty := method.penalty(part)) is not None
            ]
            if not penalties:
                return None
            total = torch.stack(penalties).sum()
            if not total.requires_grad:
                return total
            gradients = torch.autograd.grad(total, flat.parameters, allow_unused=True)
        for view, gradient in zip(flat.split(flat.gradient), gradients, strict=True):
            if gradient is not None:
                view.add_(gradient)
        return total.detach()

    def _change_gradients(self, flat: FlatParameters, parts: Sequence[Part]) -> None:
        if not self._changing:
            return
        pairs = zip(flat.parameters, flat.split(flat.gradient), strict=True)
        views = {id(parameter): view for parameter, view in pairs}
        for method in self._changing:
            for part in parts:
                method.change_gradients(part, [views[id(p)] for p in part.parameters])

    def _last_observations(self) -> Tensor | None:
        return None if self._batch is None else self._batch.observations

    def _last_pairs(self) -> Tensor | None:
        batch = self._batch
        return None if batch is None else torch.cat([batch.observations, batch.actions], dim=1)

    def _act(self, part: Part, features: Sequence[Tensor], index: int) -> None:
        if self._watches:
            for layer, units in zip(part.hidden, features, strict=True):
                layer.features = units[index]
        if self._acting:
            for method in self._methods:
                method.after_step(part)

    def _prepare(self, batch_size: int) -> None:
        body, heads, critic = self._ensembles
        update = Update(
            body,
            heads,
            critic,
            AdamSettings.of(self.actor.optimizer) if self.actor.fused else None,
            AdamSettings.of(self.critic.optimizer) if self.critic.fused else None,
            *self._gathered,
            self._options.entropy_backup,
            self._options.actor_value,
            self._options.target_value,
            self._watches,
        )
        # What was compiled holds for these alone, and does not look whether they change.
        if (update, batch_size) == self._prepared:
            return
        self._prepared, self._plain = (update, batch_size), make_functions(update)
        self._compiled = {
            held: {
                name: Compiled(function, f"SAC's {name.replace('_', ' ')}", constant=True)
                for name, function in self._plain.items()
            }
            for held in (False, True)
        }
