"""What replay buffers have in common that change what a `LeanReplayBuffer` samples."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import BaseBuffer, ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from .buffers import LeanReplayBuffer


class AroundReplayBuffer(ReplayBuffer):
    """A replay buffer around a `LeanReplayBuffer`, which keeps what the agent lives: abstract.

    Args:
        buffer_size: most of its own transitions kept, over all copies of the world.
        observation_space: any space whose observations are one array.
        action_space: the space of the actions.
        device: where samples go.
        n_envs: number of copies of the world.
        optimize_memory_usage: has no effect.
        handle_timeout_termination: whether an episode that a time limit cut off counts as going
            on.
        n_steps: over how many steps rewards are added up, at least 1.
        gamma: their discount factor; only with `n_steps` over 1.
        memmap_folder: as for `LeanReplayBuffer`.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        device: torch.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        handle_timeout_termination: bool = True,
        n_steps: int = 1,
        gamma: float = 0.99,
        memmap_folder: str | Path | None = None,
    ) -> None:
        BaseBuffer.__init__(self, buffer_size, observation_space, action_space, device, n_envs)
        self.optimize_memory_usage = False
        self.handle_timeout_termination = handle_timeout_termination
        self.n_steps, self.gamma = n_steps, gamma
        self.memmap_folder = memmap_folder
        self.own = LeanReplayBuffer(
            buffer_size,
            observation_space,
            action_space,
            device,
            n_envs,
            handle_timeout_termination=handle_timeout_termination,
            n_steps=n_steps,
            gamma=gamma,
            memmap_folder=memmap_folder,
        )
        """The agent's own steps."""
        self.buffer_size = self.own.buffer_size

    @abstractmethod
    def sample(self, batch_size: int, env: VecNormalize | None = None) -> ReplayBufferSamples:
        """Draw a batch, with replacement.

        Args:
            batch_size: how many transitions.
            env: worlds that scale observations and rewards, if they do.
        """

    def add(
        self,
        obs: np.ndarray,
        next_obs: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        done: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        """Add one step of every copy of the world, see `LeanReplayBuffer`."""
        self.own.add(obs, next_obs, action, reward, done, infos)
        self.pos, self.full = self.own.pos, self.own.full

    def size(self) -> int:
        """Return how many of its own steps can be sampled."""
        return self.own.size()

    def forget(self) -> None:
        """Leave its own steps so far out of samples; they are counted as added still."""
        self.own.forget()

    def reset(self) -> None:
        """Do as `forget` does: checkpoints count by all steps that were ever added."""
        self.own.forget()

    @property
    def n_added(self) -> int:
        """Steps of its own that were added over the whole life."""
        return self.own.n_added

    @property
    def first_needed(self) -> int:
        """The number of the oldest step that is still there."""
        return self.own.first_needed

    def get_rows(self, first: int) -> dict[str, Any]:
        """Return the own steps from a number on, see `Growing`."""
        return self.own.get_rows(first)

    def get_state(self) -> dict[str, Any]:
        """Return all that is not in rows, see `Growing`."""
        return self.own.get_state()

    def set_state(self, state: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
        """Put the buffer into a state, see `Growing`."""
        self.own.set_state(state, rows)
        self.pos, self.full = self.own.pos, self.own.full
