"""CLEAR: what was lived through in all tasks is replayed, and cloned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from ..experience import Rollout
from ..layers import Part
from .answers import Answers, answers_with, divergence, log_likelihood
from .retention_method import RetentionMethod, outputs_with
from .v_trace import VTrace, v_trace

_NAMES = (*Rollout._fields, *Answers._fields)


@final
@dataclass(eq=False, repr=False)
class CLEAR(RetentionMethod):
    """Continual learning with experience and replay (Rolnick et al. 2019), for PPO.

    "Experience replay for continual learning", NeurIPS 2019, which has IMPALA. A reservoir of
    sequences of steps, in which each so far is equally likely, is kept with what policy and critic
    said then. In each gradient step some of them are replayed: their policy gradient and values
    are V-trace's (Espeholt et al. 2018), and the policy's KL divergence from what it answered then
    and the critic's distance from what it said then are added. It needs no tasks: at their
    boundaries nothing begins anew.

    Example:
        >>> CLEAR(memory_size=50_000).length
        20
    """

    name: ClassVar[str] = "clear"

    memory_size: int = 100_000
    """Steps kept, at least `length` (ours; CORA: 25 million frames of Atari, 5 of Procgen)."""

    length: int = 20
    """Steps of a sequence, 2 or more (CORA: 20); a rollout's remainder is not kept."""

    sequences: int = 4
    """Sequences replayed in each gradient step, 0 or more (ours: as many steps as PPO's batches
    of 64 have; Rolnick et al. 2019 and CORA: as many as there are new ones)."""

    policy_cloning: float = 0.01
    """Weight of the policy's divergence, 0 or more (Rolnick et al. 2019, CORA)."""

    value_cloning: float = 0.005
    """Weight of the critic's squared distance, 0 or more (Rolnick et al. 2019, CORA)."""

    value_coefficient: float = 0.5
    """Weight of the squared error of replayed values, 0 or more (PPO's, IMPALA's)."""

    gamma: float = 0.99
    """Discount factor of replayed steps, from 0 to 1 (CORA, and PPO's default)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("length", self.length >= 2, "2 or more")
        self.require("memory_size", self.memory_size >= self.length, f"at least {self.length}")
        for name in ("sequences", "policy_cloning", "value_cloning", "value_coefficient"):
            self.require(name, getattr(self, name) >= 0, "0 or more")
        self.require("gamma", 0 <= self.gamma <= 1, "from 0 to 1")

    def keeps(self) -> frozenset[str]:
        """Return what the agent does not begin anew at a task: anything."""
        return frozenset({"replay", "optimizer", "temperature"})

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Begin without a memory."""
        self.generator = torch.Generator().manual_seed(seed)
        self.actor, self.critic = parts[0], parts[-1]
        for name in _NAMES:
            self.register_buffer(f"kept_{name}", torch.zeros(0))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))
        self._drawn: tuple[dict[str, Tensor], VTrace] | None = None

    def after_rollout(self, rollout: Rollout) -> None:
        """Put the rollout's sequences into the reservoir."""
        if self.sequences == 0:
            return
        steps, copies = rollout.rewards.shape
        flat = rollout.observations.flatten(0, 1)
        answers = answers_with(self.actor, self.actor.parameters, flat)
        shaped = [each.detach().unflatten(0, (steps, copies)) for each in answers]
        found = dict(zip(_NAMES, (*rollout, *shaped), strict=True))
        whole = steps // self.length * self.length
        for begin in range(0, whole, self.length):
            for copy in range(copies):
                self._keep(
                    {
                        name: value[begin : begin + self.length, copy]
                        for name, value in found.items()
                    }
                )

    def penalty(self, part: Part) -> Tensor | None:
        """Return the loss of replayed sequences: of the actor, or of the critic."""
        if self.sequences == 0 or not len(self._kept("rewards")):
            return None
        if part is self.actor:
            return self._policy_loss()
        return self._value_loss() if part is self.critic else None

    def _policy_loss(self) -> Tensor:
        drawn = self._draw()
        steps = drawn["rewards"].shape
        flat = {name: value.flatten(0, 1) for name, value in drawn.items()}
        present = answers_with(self.actor, self.actor.parameters, flat["observations"])
        log_probs = log_likelihood(present, flat["actions"], self.actor.choices).view(steps)
        with torch.no_grad():
            values = self._values(flat["observations"]).view(steps)
            ratios = log_probs - drawn["log_probs"]
            ends = torch.cat([drawn["starts"][1:], torch.zeros_like(drawn["starts"][:1])])
            learned = v_trace(ratios, drawn["rewards"], values, ends, self.gamma)
        self._drawn = drawn, learned
        earlier = Answers(flat["means"], flat["log_stds"])
        cloning = divergence(earlier, present, self.actor.choices)
        return self.policy_cloning * cloning - (learned.advantages * log_probs[:-1]).mean()

    def _value_loss(self) -> Tensor | None:
        if self._drawn is None:
            return None
        drawn, learned = self._drawn
        values = self._values(drawn["observations"].flatten(0, 1)).view(drawn["rewards"].shape)
        error = (values[:-1] - learned.values).square().mean()
        cloning = (values - drawn["values"]).square().mean()
        return self.value_coefficient * error + self.value_cloning * cloning

    def _values(self, observations: Tensor) -> Tensor:
        return outputs_with(self.critic, self.critic.parameters, observations)[0].squeeze(1)

    def _draw(self) -> dict[str, Tensor]:
        """Return some sequences, each of shape (steps, sequences, ...)."""
        number = len(self._kept("rewards"))
        rows = torch.randint(number, (self.sequences,), generator=self.generator)
        return {name: self._kept(name)[rows].transpose(0, 1).contiguous() for name in _NAMES}

    def _keep(self, sequence: dict[str, Tensor]) -> None:
        """Keep a sequence with the chance that leaves all so far equally likely."""
        room, seen = self.memory_size // self.length, int(self.get_buffer("seen"))
        self.get_buffer("seen").add_(1)
        place = seen
        if seen >= room:
            place = int(torch.randint(seen + 1, (), generator=self.generator))
            if place >= room:
                return
        for name, value in sequence.items():
            kept = self._kept(name)
            if place < len(kept):
                kept[place] = value
            else:
                grown = value.unsqueeze(0).clone()
                setattr(self, f"kept_{name}", torch.cat([kept, grown]) if len(kept) else grown)

    def _kept(self, name: str) -> Tensor:
        return self.get_buffer(f"kept_{name}")
