"""A replay buffer's rows: those that are new since some step, and all of them put back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer

from ...wrappers.errors import SettingsError
from ..replay.buffers import LeanReplayBuffer

_COLUMNS = ("actions", "rewards", "dones", "timeouts")
_WHOLE = (ReplayBuffer, DictReplayBuffer, NStepReplayBuffer)


def new_rows(buffer: LeanReplayBuffer, first: int) -> dict[str, Any]:
    """Return what has come to a buffer since it had a number of steps, as far as it is there.

    Args:
        buffer: the buffer.
        first: the number of steps, of all its life.
    """
    end, size = buffer.n_added, buffer.buffer_size
    oldest = max(end - size, 0)
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


def get_buffer_state(buffer: ReplayBuffer) -> dict[str, Any]:
    """Return the state of a buffer: of a `LeanReplayBuffer` all but its rows.

    Args:
        buffer: the buffer.

    Raises:
        SettingsError: for a buffer of another kind than stable-baselines3's and ours.
    """
    if isinstance(buffer, LeanReplayBuffer):
        newest = buffer.slots[buffer.n_added % len(buffer.slots)]
        forgotten = buffer.n_forgotten
        return {"n_added": buffer.n_added, "n_forgotten": forgotten, "newest": newest.copy()}
    if type(buffer) not in _WHOLE:
        raise SettingsError(f"cannot keep the state of a {type(buffer).__name__}")
    arrays = {name: value for name, value in vars(buffer).items() if _is_array(value)}
    return {"pos": buffer.pos, "full": buffer.full, "arrays": arrays}


def set_buffer_state(
    buffer: ReplayBuffer, state: dict[str, Any], rows: Sequence[dict[str, Any]]
) -> None:
    """Put a buffer back into a state.

    Args:
        buffer: made as that one was whose state it is.
        state: from `get_buffer_state`.
        rows: from `new_rows`, one after the other, the last ending where the state is.
    """
    if isinstance(buffer, LeanReplayBuffer):
        _set_rows(buffer, state, rows)
        return
    for name, value in state["arrays"].items():
        if isinstance(value, dict):
            for key, array in value.items():
                getattr(buffer, name)[key][:] = array
        else:
            getattr(buffer, name)[:] = value
    buffer.pos, buffer.full = state["pos"], state["full"]


def _set_rows(
    buffer: LeanReplayBuffer, state: dict[str, Any], rows: Sequence[dict[str, Any]]
) -> None:
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


def _is_array(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(_is_array(entry) for entry in value.values())
    return isinstance(value, np.ndarray)
