"""PPO as one straightforward torch loop, in the manner of CleanRL, as a rival to be measured.

Huang et al., "CleanRL: high-quality single-file implementations of deep reinforcement learning
algorithms" (2022): gymnasium's wrappers around each copy, a module an agent, autograd, torch's own
Adam and clipping, and a Python loop over the advantages. Unlike CleanRL's it bootstraps at time
limits and leaves rewards unscaled, as all that are measured beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Normal
from torch.utils.tensorboard import SummaryWriter

GAMMA, LAMBDA, CLIP, VALUE_COEFFICIENT, MAX_NORM, LEARNING_RATE = 0.99, 0.95, 0.2, 0.5, 0.5, 3e-4
"""stable-baselines3's defaults, so that all learn with the same."""


class _ActorCritic(nn.Module):
    def __init__(self, env: SyncVectorEnv) -> None:
        super().__init__()
        inputs = int(np.prod(env.single_observation_space.shape or 1))
        space: Any = env.single_action_space
        self.discrete = isinstance(space, gymnasium.spaces.Discrete)
        outputs = int(space.n) if self.discrete else int(np.prod(space.shape))
        self.actor = nn.Sequential(*_body(inputs), _linear(64, outputs, 0.01))
        self.critic = nn.Sequential(*_body(inputs), _linear(64, 1, 1.0))
        if not self.discrete:
            self.log_std = nn.Parameter(torch.zeros(1, outputs))

    def judge(self, observations: Tensor, actions: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return actions (drawn where none are given), their log-probabilities, entropy, values."""
        outputs = self.actor(observations)
        law: Distribution
        if self.discrete:
            law = Categorical(logits=outputs)
        else:
            law = Normal(outputs, self.log_std.expand_as(outputs).exp())
        if actions is None:
            actions = law.sample()
        log_probs, entropy = law.log_prob(actions), law.entropy()
        if not self.discrete:
            log_probs, entropy = log_probs.sum(1), entropy.sum(1)
        return actions, log_probs, entropy, self.critic(observations).flatten()


def _linear(inputs: int, outputs: int, gain: float) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def _body(inputs: int) -> list[nn.Module]:
    gain = 2**0.5
    return [_linear(inputs, 64, gain), nn.Tanh(), _linear(64, 64, gain), nn.Tanh()]


def _wrapped(world: str) -> gymnasium.Env:
    env: gymnasium.Env = gymnasium.wrappers.RecordEpisodeStatistics(gymnasium.make(world))
    if isinstance(env.action_space, gymnasium.spaces.Box):
        env = gymnasium.wrappers.ClipAction(env)
    env = gymnasium.wrappers.NormalizeObservation(env)
    space = env.observation_space
    return gymnasium.wrappers.TransformObservation(env, lambda seen: np.clip(seen, -10, 10), space)


@final
class StraightPPO:
    """The loop, with the two methods by which agents are timed.

    Args:
        world: gymnasium's id.
        copies: copies of the world.
        rollout: transitions of a rollout over all copies.
        n_epochs: passes over each rollout.
        batch_size: transitions of a minibatch.
        folder: where TensorBoard's events go.
    """

    def __init__(
        self, world: str, copies: int, rollout: int, n_epochs: int, batch_size: int, folder: str
    ) -> None:
        torch.manual_seed(0)
        self.env = SyncVectorEnv(
            [lambda: _wrapped(world)] * copies, autoreset_mode=AutoresetMode.SAME_STEP
        )
        self.network = _ActorCritic(self.env)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=LEARNING_RATE, eps=1e-5)
        self.n_epochs, self.batch_size, self.n_steps = n_epochs, batch_size, rollout // copies
        self.writer = SummaryWriter(Path(folder))
        self.num_timesteps = 0
        observations, _ = self.env.reset(seed=0)
        self._now = self._tensor(observations)
        self._done = torch.zeros(copies)
        self._rollout: dict[str, Tensor] = {}

    def learn(self, total_timesteps: int, reset_num_timesteps: bool = False) -> StraightPPO:
        """Learn for some environment steps over all copies."""
        until = self.num_timesteps + total_timesteps
        while self.num_timesteps < until:
            self._collect()
            self.train()
        return self

    def train(self) -> None:
        """Update the networks with the rollout."""
        rows = {name: values.flatten(0, 1) for name, values in self._rollout.items()}
        total = len(rows["returns"])
        told: dict[str, Tensor] = {}
        for _ in range(self.n_epochs):
            order = torch.randperm(total)
            for begin in range(0, total, self.batch_size):
                chosen = order[begin : begin + self.batch_size]
                told = self._step({name: values[chosen] for name, values in rows.items()})
        for name, value in told.items():
            self.writer.add_scalar(f"losses/{name}", value.item(), self.num_timesteps)

    def _step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        _, log_probs, entropy, values = self.network.judge(batch["observations"], batch["actions"])
        log_ratio = log_probs - batch["log_probs"]
        ratio = log_ratio.exp()
        with torch.no_grad():
            approx_kl = (ratio - 1 - log_ratio).mean()
            clipped = ((ratio - 1).abs() > CLIP).float().mean()
        advantages = batch["advantages"]
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        policy_loss = torch.max(
            -advantages * ratio, -advantages * ratio.clamp(1 - CLIP, 1 + CLIP)
        ).mean()
        value_loss = (values - batch["returns"]).square().mean()
        loss = policy_loss + VALUE_COEFFICIENT * value_loss
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), MAX_NORM)
        self.optimizer.step()
        return {
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "entropy": entropy.mean(),
            "approx_kl": approx_kl,
            "clipfrac": clipped,
        }

    @torch.no_grad()
    def _collect(self) -> None:
        columns: dict[str, list[Tensor]] = {}
        for _ in range(self.n_steps):
            actions, log_probs, _, values = self.network.judge(self._now)
            begun = self._done
            found, rewards, terminated, truncated, info = self.env.step(actions.numpy())
            self.num_timesteps += self.env.num_envs
            row = {
                "observations": self._now,
                "actions": actions,
                "log_probs": log_probs,
                "values": values,
                "rewards": self._tensor(rewards),
                "begun": begun,
            }
            for copy in np.flatnonzero(truncated & ~terminated):
                last = self._tensor(info["final_obs"][copy]).unsqueeze(0)
                row["rewards"][copy] += GAMMA * self.network.critic(last).item()
            for name, value in row.items():
                columns.setdefault(name, []).append(value)
            self._now, self._done = self._tensor(found), self._tensor(terminated | truncated)
            self._log_episodes(info)
        rows = {name: torch.stack(column) for name, column in columns.items()}
        rows["advantages"] = self._advantages(rows)
        rows["returns"] = rows["advantages"] + rows["values"]
        self._rollout = rows

    def _advantages(self, rows: dict[str, Tensor]) -> Tensor:
        advantages, last = torch.zeros_like(rows["rewards"]), torch.zeros(self.env.num_envs)
        next_values, going_on = self.network.critic(self._now).flatten(), 1 - self._done
        for step in reversed(range(self.n_steps)):
            error = rows["rewards"][step] + GAMMA * next_values * going_on - rows["values"][step]
            advantages[step] = last = error + GAMMA * LAMBDA * going_on * last
            next_values, going_on = rows["values"][step], 1 - rows["begun"][step]
        return advantages

    def _log_episodes(self, info: dict[str, Any]) -> None:
        final = info.get("final_info", {})
        for copy in np.flatnonzero(final.get("_episode", [])):
            episode = final["episode"]
            self.writer.add_scalar("charts/return", episode["r"][copy], self.num_timesteps)
            self.writer.add_scalar("charts/length", episode["l"][copy], self.num_timesteps)

    @staticmethod
    def _tensor(array: Any) -> Tensor:
        return torch.as_tensor(np.asarray(array, dtype=np.float32))
