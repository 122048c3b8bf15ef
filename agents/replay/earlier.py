"""The experience of an earlier experiment, out of its run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gymnasium import spaces

from ...wrappers.errors import SettingsError
from ..checkpoint.folder import CheckpointFolder
from ..checkpoint.tree import CheckpointError
from .lean_state import as_transitions
from .transitions import Transitions


def read_earlier(
    folder: str | Path, observation_space: spaces.Space, action_space: spaces.Space
) -> Transitions:
    """Return what the replay buffer of an earlier run held at its last checkpoint.

    Observations and actions stay in the checkpoint's files, which are never written to again.

    Args:
        folder: the run folder of an off-policy agent, or a folder of checkpoints.
        observation_space: of the agent that is to learn from it.
        action_space: of that agent.

    Raises:
        SettingsError: there is no checkpoint with transitions, or the spaces differ.
    """
    path = Path(folder)
    if (path / "checkpoint").is_dir():
        path = path / "checkpoint"
    try:
        found = CheckpointFolder(path.absolute()).read()
    except CheckpointError as error:
        raise SettingsError(f"cannot take experience from {folder}: {error}") from error
    agent = found.tree["agent"]
    spaces_here = {"observation_space": observation_space, "action_space": action_space}
    for name, space in spaces_here.items():
        if agent[name] != str(space):
            raise SettingsError(
                f"cannot take experience from {folder}: its {name.replace('_', ' ')} is "
                f"{agent[name]}, not {space}"
            )
    state: Any = found.tree["learner"].get("replay")
    if not found.rows or "first_needed" not in (state or {}):
        raise SettingsError(
            f"cannot take experience from {folder}: it has no replay buffer of consecutive steps"
        )
    try:
        return as_transitions(state, found.rows)
    except (LookupError, TypeError, ValueError) as error:
        raise SettingsError(f"cannot take experience from {folder}: {error}") from error
