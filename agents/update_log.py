"""What an update logged can still be read from the logger after its row was written.

stable-baselines3 leaves an update's values in the logger until the next row, and its users read
them there after `learn`. Our rows are complete, and written, when the update ends.
"""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.logger import Logger

_OF_UPDATES = "train/"

Entries = dict[str, tuple[Any, Any]]
"""Value and excluded formats by tag."""


def read_update(logger: Logger) -> Entries:
    """Return what the update has recorded and no row holds yet.

    Args:
        logger: the agent's.
    """
    return {
        name: (value, logger.name_to_excluded[name])
        for name, value in logger.name_to_value.items()
        if name.startswith(_OF_UPDATES)
    }


def show_update(logger: Logger, entries: Entries) -> None:
    """Put an update's values back, to be read by whoever asks.

    Args:
        logger: the agent's.
        entries: from `read_update`.
    """
    for name, (value, excluded) in entries.items():
        logger.record(name, value, excluded)


def forget_update(logger: Logger) -> None:
    """Take an update's values out again, so that no later row holds them a second time.

    Args:
        logger: the agent's.
    """
    for name in read_update(logger):
        for table in (logger.name_to_value, logger.name_to_count, logger.name_to_excluded):
            table.pop(name, None)
