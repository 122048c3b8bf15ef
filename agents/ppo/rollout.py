"""Collecting a rollout for PPO, with whatever can wait done for all of its steps at once."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from ..parameters import FlatParameters
from .loss import categorical, gaussian
from .update import ActorCritic


@final
class RolloutCollector:
    """Collects what `stable_baselines3.PPO.collect_rollouts` does, with less work at each step.

    At each step only the actor runs. All noise is drawn at the start of the rollout, from torch's
    global generator: the actions have the same law as stable-baselines3's, and other values. The
    critic judges all observations at the end, or earlier where `settle` is called because the
    networks are about to change.

    Args:
        agent: whose policy acts, and whose rollout buffer is filled.
        networks: the policy's.
        flat: the policy's parameters.
    """

    def __init__(
        self, agent: stable_baselines3.PPO, networks: ActorCritic, flat: FlatParameters
    ) -> None:
        self._agent = agent
        self._networks = networks
        self._flat = flat
        self._noise = torch.empty(0)
        self._outputs: list[Tensor] = []
        self._n_settled = 0
        self._cut_off: list[tuple[int, int, np.ndarray]] = []

    @torch.no_grad()
    def collect(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """Fill the rollout buffer.

        Args:
            env: the copies of the world.
            callback: called at each step, with stable-baselines3's local variables but those of
                the critic and the log-probabilities, which are not known yet.
            rollout_buffer: what to fill.
            n_rollout_steps: steps of each copy.

        Returns:
            False if the callback ended the rollout.
        """
        agent, buffer = self._agent, rollout_buffer
        self._begin(buffer)
        callback.on_rollout_start()
        # After the callback, which may save the generators for another agent to go on here.
        self._draw_noise(buffer, n_rollout_steps)
        new_obs: Any = agent._last_obs
        dones: Any = agent._last_episode_starts
        for n_steps in range(n_rollout_steps):
            actions = self._act(new_obs, n_steps)
            clipped_actions = self._clip(actions)
            buffer.observations[n_steps] = new_obs
            buffer.episode_starts[n_steps] = dones
            buffer.actions[n_steps] = actions.reshape(env.num_envs, -1)
            new_obs, rewards, dones, infos = env.step(clipped_actions)
            agent.num_timesteps += env.num_envs
            callback.update_locals({"self": agent, **_without_self(locals())})
            if not callback.on_step():
                return False
            buffer.rewards[n_steps] = rewards
            buffer.pos = n_steps + 1
            agent._update_info_buffer(infos, dones)
            self._note_cut_off(n_steps, dones, infos)
            agent._last_obs, agent._last_episode_starts = new_obs, dones
        self.settle()
        buffer.full = True
        last_values = self._judge(new_obs)
        compute_advantages(buffer, last_values, dones)
        callback.update_locals({"self": agent, **_without_self(locals())})
        callback.on_rollout_end()
        return True

    @torch.no_grad()
    def settle(self) -> None:
        """Compute what is still open of the steps so far, with the networks as they are."""
        buffer = self._agent.rollout_buffer
        rows = slice(self._n_settled, buffer.pos)
        n_rows = buffer.pos - self._n_settled
        if n_rows > 0:
            observations = buffer.observations[rows].reshape(n_rows * buffer.n_envs, -1)
            buffer.values[rows] = self._judge(observations).reshape(n_rows, -1)
            buffer.log_probs[rows] = self._log_probs(rows).numpy().reshape(n_rows, -1)
            self._outputs.clear()
            self._n_settled = buffer.pos
        if self._cut_off:
            steps, envs, observations = zip(*self._cut_off, strict=True)
            values = self._judge(np.stack(observations))
            buffer.rewards[list(steps), list(envs)] += self._agent.gamma * values
            self._cut_off.clear()

    def _begin(self, buffer: RolloutBuffer) -> None:
        agent = self._agent
        assert agent._last_obs is not None, "the world was not reset"
        agent.policy.set_training_mode(False)
        self._flat.adopt()
        buffer.reset()
        self._outputs.clear()
        self._cut_off.clear()
        self._n_settled = 0

    def _draw_noise(self, buffer: RolloutBuffer, n_steps: int) -> None:
        dtype = self._flat.values.dtype
        if self._networks.log_std is None:
            n_actions = int(self._agent.action_space.n)  # type: ignore[attr-defined]
            shape = (n_steps, buffer.n_envs, n_actions)
            # Gumbel's law: the largest of logits with such noise has the softmax's probabilities.
            self._noise = torch.empty(shape, dtype=dtype).exponential_().log_().neg_()
        else:
            self._noise = torch.randn((n_steps, buffer.n_envs, buffer.action_dim), dtype=dtype)

    def _act(self, observations: np.ndarray, n_steps: int) -> np.ndarray:
        networks, views, noise = self._networks, self._flat.views, self._noise[n_steps]
        outputs = networks.actor.forward(views, self._inputs(observations))[-1]
        if networks.log_std is None:
            self._outputs.append(outputs)
            return (outputs + noise).argmax(dim=1).numpy()
        actions = torch.addcmul(outputs, views[networks.log_std].exp(), noise)
        return actions.view(-1, *self._agent.action_space.shape).numpy()  # type: ignore[misc]

    def _clip(self, actions: np.ndarray) -> np.ndarray:
        space: Any = self._agent.action_space
        if self._networks.log_std is None:
            return actions
        return np.clip(actions, space.low, space.high)

    def _log_probs(self, rows: slice) -> Tensor:
        """Return the log-probabilities of some steps' actions, of shape (steps * copies,)."""
        networks, buffer = self._networks, self._agent.rollout_buffer
        if networks.log_std is None:
            actions = torch.from_numpy(buffer.actions[rows]).flatten().long()
            return categorical(torch.cat(self._outputs), actions).log_probs
        noise = self._noise[rows].flatten(end_dim=1)
        log_std = self._flat.views[networks.log_std]
        # The noise is how many deviations an action is away from the mean.
        return gaussian(torch.zeros_like(noise), log_std, noise * log_std.exp()).log_probs

    def _note_cut_off(self, n_steps: int, dones: np.ndarray, infos: list[dict[str, Any]]) -> None:
        for index in np.flatnonzero(dones):
            info = infos[index]
            last = info.get("terminal_observation")
            if last is not None and info.get("TimeLimit.truncated", False):
                self._cut_off.append((n_steps, int(index), last))

    def _judge(self, observations: np.ndarray) -> np.ndarray:
        inputs = self._inputs(observations)
        return self._networks.critic.forward(self._flat.views, inputs)[-1].squeeze(1).numpy()

    def _inputs(self, observations: np.ndarray) -> Tensor:
        inputs = torch.as_tensor(observations, dtype=self._flat.values.dtype)
        return inputs.flatten(start_dim=1) if inputs.ndim > 2 else inputs


def compute_advantages(buffer: RolloutBuffer, last_values: np.ndarray, dones: np.ndarray) -> None:
    """Fill in advantages and returns, bit for bit as `RolloutBuffer` does.

    Schulman et al., "High-dimensional continuous control using generalized advantage estimation"
    (2016), equation 16. Only the recursion itself goes step by step.

    Args:
        buffer: filled but for these, its fields of shape (steps, copies).
        last_values: of the observations after the last step, of shape (copies,).
        dones: whether the last step ended an episode, of shape (copies,).
    """
    follows = 1.0 - np.concatenate([buffer.episode_starts[1:], dones[None].astype(np.float32)])
    next_values = np.concatenate([buffer.values[1:], last_values[None]]).astype(np.float32)
    errors = buffer.rewards + buffer.gamma * next_values * follows - buffer.values
    weights = buffer.gamma * buffer.gae_lambda * follows
    advantage = np.zeros_like(errors[0])
    for step in reversed(range(len(errors))):
        advantage = errors[step] + weights[step] * advantage
        buffer.advantages[step] = advantage
    buffer.returns = buffer.advantages + buffer.values


def _without_self(variables: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in variables.items() if name != "self"}
