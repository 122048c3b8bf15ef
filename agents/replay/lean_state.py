"""The rows of a `LeanReplayBuffer`: those that are new since some step, and what they tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .pieces import Array, Pieces
from .transitions import Transitions

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
    steps, envs = np.nonzero(np.asarray(broken))
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


def as_transitions(state: dict[str, Any], rows: Sequence[dict[str, Any]]) -> Transitions:
    """Return what a buffer held, copy of the world by copy, where its rows lie.

    Args:
        state: its `get_state`, with at least one step.
        rows: from `get_rows`, as for `set_rows`.

    Raises:
        ValueError: rows are missing.
    """
    first, following = state["first_needed"], state["first_needed"]
    kept = []
    for piece in rows:
        if max(piece["first"], first) != following:
            break
        skipped = following - piece["first"]
        kept.append({name: piece[name][skipped:] for name in ("observations", *_COLUMNS)})
        following = piece["end"]
    if following != state["n_added"]:
        raise ValueError("steps of the replay buffer are missing")
    n_steps, n_envs = following - first, len(state["newest"])

    def by_copy(name: str) -> Pieces:
        return Pieces([part[name][:, env] for env in range(n_envs) for part in kept])

    observations = by_copy("observations")
    flags = {name: by_copy(name)[:].reshape(n_envs, n_steps) for name in ("dones", "timeouts")}
    ends = flags["dones"].copy()
    ends[:, -1] = True
    # Where each step ended: in the next row, in the newest observation, or apart.
    places = np.arange(n_envs * n_steps).reshape(n_envs, n_steps) + 1
    places[:, -1] = n_envs * n_steps + np.arange(n_envs)
    apart = n_envs * n_steps + n_envs
    for piece in rows:
        steps, inside = piece["ending_steps"] - first, piece["ending_steps"] >= first
        broken = piece["ending_envs"][inside], steps[inside]
        ends[broken], places[broken] = True, apart + np.flatnonzero(inside)
        apart += len(steps)
    parts = [observations, state["newest"], *(piece["endings"] for piece in rows)]
    return Transitions(
        observations,
        by_copy("actions"),
        by_copy("rewards")[:],
        Pieces(parts, places.reshape(-1)),
        (flags["dones"] & ~flags["timeouts"]).reshape(-1),
        ends.reshape(-1),
    )


def _slots(array: np.ndarray, steps: range) -> Array:
    """Return the rows of some steps in a ring, without a copy."""
    start, stop = steps.start % len(array), steps.start % len(array) + len(steps)
    if stop <= len(array):
        return array[start:stop]
    return Pieces([array[start:], array[: stop - len(array)]])


def _fill(array: np.ndarray, steps: range, values: np.ndarray) -> None:
    """Put rows into the places of some steps in a ring."""
    start = steps.start % len(array)
    head = min(len(array) - start, len(steps))
    array[start : start + head] = values[:head]
    array[: len(steps) - head] = values[head:]
