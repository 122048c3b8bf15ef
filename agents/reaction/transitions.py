"""The newest steps of the worlds, as rows that a model learns from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, final

import numpy as np
import torch
from gymnasium.spaces import Space
from torch import Tensor, nn

from ..experience import Experience, count_actions, count_inputs, encode_actions


class Rows(NamedTuple):
    """Some steps of one copy each.

    Attributes:
        observations: where they began, of shape (batch, inputs).
        actions: of shape (batch, actions), as `encode_actions` makes them.
        rewards: of shape (batch, 1).
        next_observations: where they ended, of shape (batch, inputs).
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    next_observations: Tensor


@final
class Transitions(nn.Module):
    """Gathers steps in windows, and remembers the last of them; all of it is saved as buffers.

    Args:
        spaces: of observations and actions.
        window: steps over all copies in a window.
        memory: steps that are remembered, the window or more.
        method: for whom; named where spaces can't be used.

    Raises:
        SettingsError: the spaces can't be used.
    """

    open: Tensor
    kept: Tensor
    counts: Tensor

    def __init__(
        self, spaces: tuple[Space[Any], Space[Any]], window: int, memory: int, method: str
    ) -> None:
        super().__init__()
        observed, self._acted = spaces
        self.n_inputs = count_inputs(observed, method)
        self.n_actions = count_actions(self._acted, method)
        self._sizes = (self.n_inputs, self.n_actions, 1, self.n_inputs)
        width = sum(self._sizes)
        self.register_buffer("open", torch.zeros(window, width))
        self.register_buffer("kept", torch.zeros(memory, width))
        self.register_buffer("counts", torch.zeros(2, dtype=torch.int64))

    @property
    def n_known(self) -> int:
        """How many steps are remembered."""
        return min(int(self.counts[1]), len(self.kept))

    def read(self, experience: Experience) -> Tensor:
        """Return a step of all copies as rows, of shape (copies, numbers)."""
        observations, actions, rewards, ends, _ = experience
        n_copies = len(rewards)
        columns = [
            np.reshape(observations, (n_copies, -1)),
            encode_actions(self._acted, actions),
            np.reshape(rewards, (n_copies, 1)),
            np.reshape(ends, (n_copies, -1)),
        ]
        rows = torch.from_numpy(np.concatenate(columns, axis=1, dtype=np.float32))
        return rows.to(self.open)

    def split(self, rows: Tensor) -> Rows:
        """Return the columns of rows."""
        return Rows(*rows.split(self._sizes, dim=1))

    def gather(self, rows: Tensor) -> Iterator[Tensor]:
        """Take in rows; yield each window that is full, and remember it after that.

        Args:
            rows: from `read`.
        """
        size = len(self.open)
        while len(rows):
            n_open = int(self.counts[0])
            taken, rows = rows[: size - n_open], rows[size - n_open :]
            self.open[n_open : n_open + len(taken)] = taken
            self.counts[0] = (n_open + len(taken)) % size
            if n_open + len(taken) == size:
                yield self.open.clone()

    def remember(self, rows: Tensor) -> None:
        """Put rows in the place of the oldest ones."""
        n_seen = int(self.counts[1])
        places = (n_seen + torch.arange(len(rows))) % len(self.kept)
        self.kept[places] = rows
        self.counts[1] += len(rows)

    def forget(self) -> None:
        """Remember nothing."""
        self.counts[1] = 0

    def draw(self, number: int, generator: torch.Generator) -> Rows:
        """Return remembered steps, drawn at random.

        Args:
            number: how many.
            generator: draws them.
        """
        places = torch.randint(self.n_known, (number,), generator=generator)
        return self.split(self.kept[places])
