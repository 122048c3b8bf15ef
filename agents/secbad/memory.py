"""What was lived lately, to learn contexts from."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from torch import Tensor


@final
class StepMemory:
    """The last steps of every copy of the world, and where their segments began.

    Args:
        size: steps kept of each copy.
        n_copies: how many copies.
        width: numbers in a step.
    """

    def __init__(self, size: int, n_copies: int, width: int) -> None:
        self._steps = np.zeros((size, n_copies, width), dtype=np.float32)
        self._starts = np.zeros((size, n_copies), dtype=np.int64)
        self._begun = np.zeros(n_copies, dtype=np.int64)
        self.n_added = 0

    def __len__(self) -> int:
        return min(self.n_added, len(self._steps))

    def add(self, steps: np.ndarray, first: np.ndarray) -> None:
        """Add a step of every copy.

        Args:
            steps: of shape (copies, width).
            first: whether each begins a segment, of shape (copies,).
        """
        self._begun[first] = self.n_added
        row = self.n_added % len(self._steps)
        self._steps[row] = steps
        self._starts[row] = self._begun
        self.n_added += 1

    def draw(
        self, generator: np.random.Generator, count: int, length: int, whole: bool
    ) -> tuple[Tensor, Tensor]:
        """Draw some segments, or stretches that begin anywhere.

        Args:
            generator: of random numbers.
            count: how many.
            length: their most steps.
            whole: whether to draw segments, each as likely as it is long, from their beginning on.

        Returns:
            Steps of shape (length, count, width), and whether they are valid, (length, count).
        """
        oldest = self.n_added - len(self)
        copies = generator.integers(self._steps.shape[1], size=count)
        anchors = generator.integers(oldest, self.n_added, size=count)
        starts = anchors
        if whole:
            starts = np.maximum(self._starts[anchors % len(self._steps), copies], oldest)
        else:
            starts = np.minimum(anchors, max(self.n_added - length, oldest))
        places = starts + np.arange(length)[:, None]
        rows = places % len(self._steps)
        valid = places < self.n_added
        if whole:
            own = self._starts[anchors % len(self._steps), copies]
            valid &= self._starts[rows, copies] == own
        steps = np.where(valid[..., None], self._steps[rows, copies], np.float32(0))
        return torch.from_numpy(steps), torch.from_numpy(valid)

    def get_state(self) -> dict[str, Any]:
        """Return all of it, as arrays."""
        n = len(self)
        return {
            "steps": self._steps[:n].copy(),
            "starts": self._starts[:n].copy(),
            "begun": self._begun.copy(),
            "n_added": self.n_added,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` returned.

        Args:
            state: of a memory of the same size.
        """
        n = len(state["steps"])
        self._steps[:n] = state["steps"]
        self._starts[:n] = state["starts"]
        self._begun[:] = state["begun"]
        self.n_added = int(state["n_added"])
