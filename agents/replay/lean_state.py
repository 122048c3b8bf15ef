"""The rows of a `LeanReplayBuffer`: those that are new since some step, and all put back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .buffers import LeanReplayBuffer

_COLUMNS = ("actions", "rewards", "dones", "timeouts")


def get_rows(buffer: LeanReplayBuffer, first: int) -> dict[str, Any]:
    """Return what has come to a buffer since it had a number of steps, as far as it is there.

    Args:
        buffer: the buffer.
        first: the number of steps, of all its life.
    """
    end, size = buffer.n_added, buffer.buffer_size
    oldest = buffer.first_needed
    first = max(first, oldest)
    # Whether the next step began where one ended is known only when the next step is added.
    settled = range(max(first - 1, oldest), max(end - 1, 0))
    broken = _slots(buffer.broken, settled)
    steps, envs = np.nonzero(broken)
    shape = (0, *buffer.obs_shape)
    places = zip(steps.tolist(), envs.tolist(), strict=True)
    endings = [buffer._endings[settled[step] % size, env] for step, env in places]
    return {
        "first": first,
        "end": end,
        "observations": _slots(buffer.slots, range(first, end)),
        **{name: _slots(getattr(buffer, name), range(first, end)) for name in _COLUMNS},
        "ending_steps": steps + settled.start,
        "ending_envs": envs,
        "endings": np.stack(endings) if endings else np.empty(shape, buffer.slots.dtype),
    }


def set_rows(
    buffer: LeanReplayBuffer, state: dict[str, Any], rows: Sequence[dict[str, Any]]
) -> None:
    """Put a buffer back into a state.

    Args:
        buffer: made as that one was whose state it is.
        state: its `get_state`.
        rows: from `get_rows`, one after the other, the last ending where the state is.

    Raises:
        ValueError: rows are missing.
    """
    end, size = state["n_added"], buffer.buffer_size
    oldest = max(end - size, 0)
    if (rows[-1]["end"] if rows else 0) != end or (rows and rows[0]["first"] > oldest):
        raise ValueError("steps of the replay buffer are missing")
    buffer.reset()
    for piece in rows:
        first = max(piece["first"], oldest)
        steps = range(first, piece["end"])
        _fill(buffer.slots, steps, piece["observations"][first - piece["first"] :])
        for name in _COLUMNS:
            _fill(getattr(buffer, name), steps, piece[name][first - piece["first"] :])
        ended = zip(piece["ending_steps"], piece["ending_envs"], piece["endings"], strict=True)
        for step, env, observation in ended:
            if step >= oldest:
                row = int(step) % size
                buffer.broken[row, env] = True
                buffer._endings[row, int(env)] = np.array(observation)
    buffer.slots[end % len(buffer.slots)] = state["newest"]
    buffer.n_added, buffer.pos, buffer.full = end, end % size, end >= size
    buffer.n_forgotten = state.get("n_forgotten", 0)


def _slots(array: np.ndarray, steps: range) -> np.ndarray:
    """Return the rows of some steps in a ring, without a copy where they lie in one piece."""
    start, stop = steps.start % len(array), steps.start % len(array) + len(steps)
    if stop <= len(array):
        return array[start:stop]
    return np.concatenate([array[start:], array[: stop - len(array)]])


def _fill(array: np.ndarray, steps: range, values: np.ndarray) -> None:
    """Put rows into the places of some steps in a ring."""
    start = steps.start % len(array)
    head = min(len(array) - start, len(steps))
    array[start : start + head] = values[:head]
    array[: len(steps) - head] = values[head:]
