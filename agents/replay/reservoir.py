"""A replay buffer that keeps a fair sample of all that ever happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, final

import numpy as np

from .table import TransitionTable
from .tables import TableReplayBuffer, reservoir_row


@final
class ReservoirReplayBuffer(TableReplayBuffer):
    """A replay buffer in which each transition that ever came is equally likely to be.

    Vitter (1985), algorithm R, as in the arm "perfect memory" of Wołczyk et al., "Continual World"
    (2021) with a smaller memory. There rehearsal alone hardly helped: 0.12 average success against
    0.06 without (their CW20, 20 seeds).

    Example:
        >>> from gymnasium import spaces
        >>> space = spaces.Box(-1, 1, (3,))
        >>> buffer = ReservoirReplayBuffer(10, space, space)
        >>> rows = np.zeros((1, 3)), np.ones((1, 3)), np.zeros((1, 3))
        >>> for _ in range(100):
        ...     buffer.add(*rows, np.zeros(1), np.zeros(1), [{}])
        >>> buffer.size(), buffer.seen
        (10, {'all': 100})
    """

    def _names(self, infos: Sequence[dict[str, Any]]) -> list[str]:
        return ["all"] * self.n_envs

    def _row(self, table: TransitionTable, seen: int) -> int | None:
        return reservoir_row(self.generator, table.size, seen)

    def _draw(self, batch_size: int) -> Iterator[tuple[TransitionTable, np.ndarray]]:
        table = self.tables["all"]
        yield table, np.random.randint(0, table.n_rows, size=batch_size)
