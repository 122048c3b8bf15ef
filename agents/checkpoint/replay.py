"""The state of a replay buffer, and a buffer put back into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer

from ...wrappers.errors import SettingsError
from ..replay.growing import Growing

_WHOLE = (ReplayBuffer, DictReplayBuffer, NStepReplayBuffer)


def get_buffer_state(buffer: ReplayBuffer) -> dict[str, Any]:
    """Return the state of a buffer: of a `Growing` one all but its rows.

    Args:
        buffer: the buffer.

    Raises:
        SettingsError: for a buffer of another kind than stable-baselines3's and ours.
    """
    if isinstance(buffer, Growing):
        return buffer.get_state()
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
        rows: from `Growing.get_rows`, one after the other, the last ending where the state is.
    """
    if isinstance(buffer, Growing):
        buffer.set_state(state, rows)
        return
    for name, value in state["arrays"].items():
        if isinstance(value, dict):
            for key, array in value.items():
                getattr(buffer, name)[key][:] = array
        else:
            getattr(buffer, name)[:] = value
    buffer.pos, buffer.full = state["pos"], state["full"]


def _is_array(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(_is_array(entry) for entry in value.values())
    return isinstance(value, np.ndarray)
