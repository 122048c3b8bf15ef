"""Experience out of folders: of earlier runs, or of collected sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gymnasium import spaces

from .earlier import read_earlier
from .sets import is_set, read_set
from .transitions import Transitions, join


def read_sources(
    folders: str | Path | Sequence[str | Path],
    observation_space: spaces.Space,
    action_space: spaces.Space,
    memmap_folder: str | Path | None = None,
) -> Transitions:
    """Return all transitions of one folder or several.

    Those of runs stay in the files of their checkpoints.

    Args:
        folders: run folders of off-policy agents, or folders of sets that `scripts/collect.py`
            made.
        observation_space: of the agent that is to learn from them.
        action_space: of that agent.
        memmap_folder: where those of sets are to lie, as for `read_set`.

    Raises:
        SettingsError: a folder holds neither, or does not fit the spaces.
    """
    listed = [folders] if isinstance(folders, (str, Path)) else list(folders)
    both = observation_space, action_space
    return join(
        [
            read_set(folder, *both, memmap_folder)
            if is_set(folder)
            else read_earlier(folder, *both)
            for folder in listed
        ]
    )
