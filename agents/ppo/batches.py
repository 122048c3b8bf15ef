"""A rollout as one matrix, and its minibatches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
import torch
from stable_baselines3.common.buffers import RolloutBuffer
from torch import Tensor

BUFFER_FIELDS = ("observations", "actions", "values", "log_probs", "advantages", "returns")
"""What stable-baselines3's rollout buffer calls the fields of `Batch`, in the same order."""


@final
class Batch(NamedTuple):
    """Transitions of a rollout."""

    observations: Tensor
    """Of shape (batch, inputs)."""

    actions: Tensor
    """Of shape (batch, dimensions), or integers of shape (batch,)."""

    old_values: Tensor
    """The critic's values at the time of acting, of shape (batch,)."""

    old_log_probs: Tensor
    """Logarithms of the actions' probabilities at the time of acting, of shape (batch,)."""

    advantages: Tensor
    """Generalised advantage estimates, of shape (batch,)."""

    returns: Tensor
    """The critic's targets, of shape (batch,)."""


@final
@dataclass(frozen=True)
class Columns:
    """Which columns of a matrix hold what of a transition, which is one of its rows.

    A minibatch is then one gather, and one argument of a compiled function.

    Example:
        >>> batch = Columns(inputs=3, dimensions=1, discrete=True).unpack(torch.ones(5, 8))
        >>> [tuple(column.shape) for column in batch]
        [(5, 3), (5,), (5,), (5,), (5,), (5,)]
    """

    inputs: int
    """Numbers in an observation."""

    dimensions: int
    """Numbers in an action."""

    discrete: bool
    """Whether actions are integers."""

    def pack(self, buffer: RolloutBuffer, dtype: torch.dtype) -> Tensor:
        """Return a whole rollout, copy after copy of the world, as stable-baselines3 orders it.

        Args:
            buffer: a full one; its fields are flattened in place, as `RolloutBuffer.get` does.
            dtype: of the matrix.
        """
        if not buffer.generator_ready:
            for name in BUFFER_FIELDS:
                setattr(buffer, name, buffer.swap_and_flatten(getattr(buffer, name)))
            buffer.generator_ready = True
        fields = [torch.as_tensor(getattr(buffer, name)) for name in BUFFER_FIELDS]
        return torch.cat([field.flatten(start_dim=1).to(dtype) for field in fields], dim=1)

    def unpack(self, rows: Tensor) -> Batch:
        """Return transitions by name, as views.

        Args:
            rows: of shape (batch, columns).
        """
        sizes = [self.inputs, self.dimensions, 1, 1, 1, 1]
        observations, actions, *rest = rows.split(sizes, dim=1)
        if self.discrete:
            actions = actions.squeeze(1).long()
        return Batch(observations, actions, *(column.squeeze(1) for column in rest))


def shuffle(rollout: Tensor, batch_size: int) -> Iterator[Tensor]:
    """Yield the minibatches of one epoch, those that stable-baselines3 would.

    Args:
        rollout: all transitions, of shape (transitions, columns).
        batch_size: transitions in a minibatch; the last may have fewer.
    """
    order = torch.from_numpy(np.random.permutation(len(rollout)))
    # One gather for the whole epoch: a minibatch is then a view.
    yield from rollout.index_select(0, order).split(batch_size)
