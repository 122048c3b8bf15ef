"""A replay buffer that keeps each observation once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import BaseBuffer, ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from .arrays import make_arrays
from .lean_state import get_rows, set_rows
from .n_step import n_step


@final
class LeanReplayBuffer(ReplayBuffer):
    """stable-baselines3's replay buffer in about a third of the memory, with the same samples.

    An observation that follows a step is most often where the next step begins: it is stored
    once. Where the next step begins elsewhere (an episode ended, or the world was reset in the
    middle of one), the observation is kept apart, so that time limits are handled as exactly as
    without sharing. Observations of type float64 are stored as float32, which is what networks
    see of them. For the same random numbers the samples are those of
    `stable_baselines3.common.buffers.ReplayBuffer`, bit for bit; with `n_steps`, those of
    `NStepReplayBuffer`, but that no return reaches beyond a reset in the middle of an episode.

    Args:
        buffer_size: most transitions kept, over all copies of the world.
        observation_space: any space whose observations are one array.
        action_space: the space of the actions.
        device: where samples go.
        n_envs: number of copies of the world.
        optimize_memory_usage: has no effect, as it is always so here.
        handle_timeout_termination: whether an episode that a time limit cut off counts as going
            on.
        n_steps: over how many steps rewards are added up, at least 1.
        gamma: their discount factor; only with `n_steps` over 1.
        memmap_folder: a folder on whose disk the arrays lie, in a memory-mapped file, so that they
            may be larger than memory; samples are the same. None for memory. Checkpoints never
            hold the file, which steps overwrite at all times: they write new rows to files of
            their own, and a resumed run fills a new map from these.

    Raises:
        SettingsError: the file cannot be made.

    Example:
        >>> space = spaces.Box(-1, 1, (3,))
        >>> buffer = LeanReplayBuffer(100, space, space, n_envs=2)
        >>> rows = np.zeros((2, 3)), np.ones((2, 3)), np.zeros((2, 3))
        >>> buffer.add(*rows, np.zeros(2), np.zeros(2), [{}, {}])
        >>> buffer.sample(5).next_observations.mean().item()
        1.0
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
        # Not ReplayBuffer's own: it would allocate every array, and observations twice.
        BaseBuffer.__init__(self, buffer_size, observation_space, action_space, device, n_envs)
        self.buffer_size = max(buffer_size // n_envs, 1)
        self.optimize_memory_usage = False
        self.handle_timeout_termination = handle_timeout_termination
        self.n_steps, self.gamma = n_steps, gamma
        self.n_added = 0
        """Steps added over the whole life; the newest is in row `(n_added - 1) % buffer_size`."""
        self.n_forgotten = 0
        """Steps of the whole life before which nothing is sampled any more."""
        rows = (self.buffer_size, n_envs)
        seen, done = (self._maybe_cast_dtype(s.dtype) for s in (observation_space, action_space))
        columns: dict[str, Any] = {
            # One row more than steps: the newest observation has no step of its own yet.
            "slots": ((self.buffer_size + 1, n_envs, *self.obs_shape), seen),
            "actions": ((*rows, self.action_dim), done),
            "rewards": (rows, np.float32),
            **{name: (rows, np.bool_) for name in ("dones", "timeouts", "broken")},
        }
        arrays = make_arrays(columns, memmap_folder)
        self.slots = arrays["slots"]
        """The observations; that of the first step of the life is in slot 0."""
        self.actions, self.rewards = arrays["actions"], arrays["rewards"]
        self.dones, self.timeouts = arrays["dones"], arrays["timeouts"]
        self.broken = arrays["broken"]
        """Where the next step does not begin where this one ended."""
        self._endings: dict[tuple[int, int], np.ndarray] = {}

    # stable-baselines3's names for what this class keeps in another form.
    @property
    def observations(self) -> np.ndarray:  # type: ignore[override]
        """Where each row's step began, of shape (buffer_size, n_envs, *observation): a copy."""
        return self.slots[self._slots_of(np.arange(self.buffer_size))]

    @property
    def next_observations(self) -> np.ndarray:  # type: ignore[override]
        """Where each row's step ended, of shape (buffer_size, n_envs, *observation): a copy."""
        rows = self._slots_of(np.arange(self.buffer_size))
        following = self.slots[(rows + 1) % len(self.slots)]
        for (row, env), ending in self._endings.items():
            following[row, env] = ending
        return following

    def add(
        self,
        obs: np.ndarray,
        next_obs: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        done: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        """Add one step of every copy of the world.

        Args:
            obs: where it began, of shape (n_envs, *observation).
            next_obs: where it ended, of the same shape, also at the end of an episode.
            action: of shape (n_envs, action_dim).
            reward: of shape (n_envs,).
            done: whether the episode ended, of shape (n_envs,).
            infos: may tell `TimeLimit.truncated`.
        """
        shape = (self.n_envs, *self.obs_shape)
        begin = np.asarray(obs).reshape(shape).astype(self.slots.dtype)
        slots = len(self.slots)
        slot, row = self.n_added % slots, self.pos
        if self.n_added > 0:
            self._keep_endings(self.slots[slot], begin, (row - 1) % self.buffer_size)
        for env in np.flatnonzero(self.broken[row]).tolist():
            del self._endings[row, env]
        self.broken[row] = False
        self.slots[slot] = begin
        self.slots[(slot + 1) % slots] = np.asarray(next_obs).reshape(shape)
        self.actions[row] = np.asarray(action).reshape((self.n_envs, self.action_dim))
        self.rewards[row] = reward
        self.dones[row] = done
        if self.handle_timeout_termination:
            cut_off = [info.get("TimeLimit.truncated", False) for info in infos]
            # Each may be an array of one element, as a row of another buffer's is.
            self.timeouts[row] = np.reshape(cut_off, self.n_envs)
        self.n_added += 1
        self.pos = self.n_added % self.buffer_size
        self.full = self.n_added >= self.buffer_size

    def observations_at(self, rows: np.ndarray) -> np.ndarray:
        """Return where the steps of some rows began, of shape (rows, n_envs, *observation).

        Args:
            rows: of the buffer, each filled.
        """
        return self.slots[self._slots_of(rows)]

    def size(self) -> int:
        """Return how many steps can be sampled."""
        return min(self.n_added - self.n_forgotten, self.buffer_size)

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> ReplayBufferSamples:
        """Draw transitions that are not forgotten, with numpy's global generator.

        Args:
            batch_size: how many.
            env: normalises them, if given.
        """
        kept = self.n_added - self.n_forgotten
        if self.n_forgotten == 0 or kept >= self.buffer_size:
            return super().sample(batch_size, env)
        steps = self.n_forgotten + np.random.randint(0, kept, size=batch_size)
        return self._get_samples(steps % self.buffer_size, env)

    def forget(self) -> None:
        """Leave all steps so far out of samples; they are counted as added still."""
        self.n_forgotten = self.n_added

    @property
    def first_needed(self) -> int:
        """The number of the oldest step that is still there."""
        return max(self.n_added - self.buffer_size, 0)

    def get_rows(self, first: int) -> dict[str, Any]:
        """Return the steps from a number on, see `Growing`."""
        return get_rows(self, first)

    def get_state(self) -> dict[str, Any]:
        """Return all that is not in rows, see `Growing`."""
        newest = self.slots[self.n_added % len(self.slots)]
        return {
            "n_added": self.n_added,
            "n_forgotten": self.n_forgotten,
            "first_needed": self.first_needed,
            "newest": newest.copy(),
        }

    def set_state(self, state: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
        """Put the buffer into a state, see `Growing`."""
        set_rows(self, state, rows)

    def reset(self) -> None:
        """Forget everything, also how much was added."""
        super().reset()
        self.n_added = self.n_forgotten = 0
        self._endings.clear()
        self.broken[:] = False

    def _slots_of(self, rows: np.ndarray) -> np.ndarray:
        """Return in which slots the observations lie at which the rows' steps began."""
        # Rows from `pos` on are a whole round older than those before it.
        age = (self.pos - 1 - rows) % self.buffer_size
        return (self.n_added - 1 - age) % len(self.slots)

    def _keep_endings(self, end: np.ndarray, begin: np.ndarray, row: int) -> None:
        apart = (end != begin).reshape(self.n_envs, -1).any(axis=1)
        self.broken[row] = apart
        for env in np.flatnonzero(apart).tolist():
            self._endings[row, env] = end[env].copy()

    def _get_samples(
        self, batch_inds: np.ndarray, env: VecNormalize | None = None
    ) -> ReplayBufferSamples:
        envs = np.random.randint(0, high=self.n_envs, size=(len(batch_inds),))
        last, rewards, discounts = batch_inds, self.rewards[batch_inds, envs], None
        if self.n_steps > 1:
            last, rewards, discounts = self._add_up(batch_inds, envs, env)
        following = self.slots[(self._slots_of(last) + 1) % len(self.slots), envs]
        for index in np.flatnonzero(self.broken[last, envs]).tolist():
            following[index] = self._endings[int(last[index]), int(envs[index])]
        terminal = self.dones[last, envs] & ~self.timeouts[last, envs]
        if self.n_steps == 1:
            rewards = self._normalize_reward(rewards, env)
        data = (
            self._normalize_obs(self.slots[self._slots_of(batch_inds), envs], env),
            self.actions[batch_inds, envs],
            self._normalize_obs(following, env),
            terminal.astype(np.float32).reshape(-1, 1),
            rewards.reshape(-1, 1),
            *(() if discounts is None else (discounts.reshape(-1, 1),)),
        )
        # Arrays that were just gathered need no further copy.
        return ReplayBufferSamples(*(self.to_torch(array, copy=False) for array in data))

    def _add_up(
        self, rows: np.ndarray, envs: np.ndarray, env: VecNormalize | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the last row of each return, the returns, and what a value after it is worth."""
        window = (rows[:, None] + np.arange(self.n_steps)) % self.buffer_size
        copies = envs[:, None]
        newest = window == (self.pos - 1) % self.buffer_size
        ends = self.dones[window, copies] | self.broken[window, copies] | newest
        rewards = self._normalize_reward(self.rewards[window, copies], env)
        returns, steps, discounts = n_step(rewards, ends, self.gamma)
        return (rows + steps) % self.buffer_size, returns, discounts
