"""What buffers that keep single transitions in tables have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import BaseBuffer, ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from ...wrappers.errors import SettingsError
from .table import COLUMNS, TransitionTable


class TableReplayBuffer(ReplayBuffer):
    """A replay buffer of tables, each of which keeps transitions by its own rule: abstract.

    Rows are numbered over all tables in the order in which they were written, so that checkpoints
    hold only rows that are new.

    Args:
        buffer_size: most transitions kept, over all copies of the world.
        observation_space: any space whose observations are one array.
        action_space: the space of the actions.
        device: where samples go.
        n_envs: number of copies of the world.
        optimize_memory_usage: has no effect.
        handle_timeout_termination: whether an episode that a time limit cut off counts as going
            on.
        seed: decides which transitions are kept; sampling draws from numpy's global generator.
        memmap_folder: as for `LeanReplayBuffer`; each table has a file.

    Raises:
        SettingsError: a seed out of its range, or, when a table begins, a file that cannot be made.
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
        *,
        seed: int = 0,
        memmap_folder: str | Path | None = None,
    ) -> None:
        BaseBuffer.__init__(self, buffer_size, observation_space, action_space, device, n_envs)
        if seed < 0:
            raise SettingsError(f"the seed of a replay buffer must be 0 or more, not {seed}")
        self.optimize_memory_usage = False
        self.handle_timeout_termination = handle_timeout_termination
        self.generator = np.random.default_rng(seed)
        self.memmap_folder = memmap_folder
        self.tables: dict[str, TransitionTable] = {}
        """The tables, by name."""
        self.seen: dict[str, int] = {}
        """For each table, the transitions that were ever offered to it."""
        self.n_added = 0
        """Rows that were ever written, over all tables."""

    @abstractmethod
    def _names(self, infos: Sequence[dict[str, Any]]) -> list[str]:
        """Return the table that each copy's transition goes to."""

    @abstractmethod
    def _row(self, table: TransitionTable, seen: int) -> int | None:
        """Return where in its table a transition goes, or None where it is not kept."""

    @abstractmethod
    def _draw(self, batch_size: int) -> Iterator[tuple[TransitionTable, np.ndarray]]:
        """Yield tables and the rows of them that make up a batch."""

    def add(
        self,
        obs: np.ndarray,
        next_obs: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        done: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        """Offer one step of every copy of the world.

        Args:
            obs: where it began, of shape (n_envs, *observation).
            next_obs: where it ended, of the same shape, also at the end of an episode.
            action: of shape (n_envs, action_dim).
            reward: of shape (n_envs,).
            done: whether the episode ended, of shape (n_envs,).
            infos: may tell `TimeLimit.truncated`.
        """
        begin, end = (np.reshape(o, (self.n_envs, *self.obs_shape)) for o in (obs, next_obs))
        actions = np.reshape(action, (self.n_envs, self.action_dim))
        for env, name in enumerate(self._names(infos)):
            table = self._table(name)
            row = self._row(table, self.seen[name])
            self.seen[name] += 1
            if row is None:
                continue
            terminal = bool(done[env])
            if self.handle_timeout_termination:
                terminal &= not np.any(infos[env].get("TimeLimit.truncated", False))
            values = (begin[env], actions[env], reward[env], end[env], terminal)
            table.put(row, self.n_added, values)
            self.n_added += 1
        self.pos = sum(table.n_rows for table in self.tables.values())

    def size(self) -> int:
        """Return how many transitions are kept."""
        return int(self.pos)

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> ReplayBufferSamples:
        """Draw a batch, with replacement.

        Args:
            batch_size: how many transitions.
            env: worlds that scale observations and rewards, if they do.
        """
        drawn = list(self._draw(batch_size))
        begin, actions, rewards, end, terminals = (
            np.concatenate([table.columns[name][rows] for table, rows in drawn]) for name in COLUMNS
        )
        data = (
            self._normalize_obs(begin, env),
            actions,
            self._normalize_obs(end, env),
            terminals.astype(np.float32).reshape(-1, 1),
            self._normalize_reward(rewards.reshape(-1, 1), env),
        )
        return ReplayBufferSamples(*(self.to_torch(array, copy=False) for array in data))  # type: ignore[arg-type]

    def reset(self) -> None:
        """Forget everything but how many rows were written, which checkpoints count by."""
        super().reset()
        self.tables.clear()
        self.seen.clear()

    @property
    def first_needed(self) -> int:
        """The number of the oldest row that is still there."""
        oldest = [table.oldest for table in self.tables.values()]
        return min((number for number in oldest if number is not None), default=self.n_added)

    def get_rows(self, first: int) -> dict[str, Any]:
        """Return the rows from a number on, see `Growing`."""
        tables = {name: table.since(first) for name, table in self.tables.items()}
        return {"first": first, "end": self.n_added, "tables": tables}

    def get_state(self) -> dict[str, Any]:
        """Return all that is not in rows, see `Growing`."""
        return {
            "n_added": self.n_added,
            "seen": dict(self.seen),
            "n_rows": {name: table.n_rows for name, table in self.tables.items()},
            "generator": self.generator.bit_generator.state,
        }

    def set_state(self, state: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
        """Put the buffer into a state, see `Growing`."""
        self.reset()
        for name in state["seen"]:
            self._table(name)
        for piece in rows:
            for name, part in piece["tables"].items():
                self.tables[name].put_back(part)
        n_rows = {name: table.n_rows for name, table in self.tables.items()}
        ends_there = not rows or rows[-1]["end"] == state["n_added"]
        if not ends_there or n_rows != state["n_rows"]:
            raise ValueError("transitions of the replay buffer are missing")
        self.n_added, self.pos = state["n_added"], sum(n_rows.values())
        self.seen = dict(state["seen"])
        self.generator.bit_generator.state = state["generator"]

    def _table(self, name: str) -> TransitionTable:
        if name not in self.tables:
            observation = np.zeros(
                self.obs_shape, self._maybe_cast_dtype(self.observation_space.dtype)
            )
            action = np.zeros(self.action_dim, self._maybe_cast_dtype(self.action_space.dtype))
            self.tables[name] = TransitionTable(
                self._table_size(), observation, action, self.memmap_folder
            )
            self.seen[name] = 0
        return self.tables[name]

    def _table_size(self) -> int:
        """Return how many transitions a table keeps."""
        return self.buffer_size


def reservoir_row(generator: np.random.Generator, size: int, seen: int) -> int | None:
    """Return where a transition goes so that each that was seen is kept with equal probability.

    Algorithm R of Vitter, "Random sampling with a reservoir" (1985).

    Args:
        generator: draws.
        size: places.
        seen: transitions before this one.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> [reservoir_row(generator, 2, seen) for seen in range(5)]
        [0, 1, None, None, None]
    """
    if seen < size:
        return seen
    place = int(generator.integers(seen + 1))
    return place if place < size else None
