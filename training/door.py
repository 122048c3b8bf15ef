"""How a script is entered from the command line, and how it is left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import tyro

from ..wrappers.errors import SettingsError
from .settings import RunSettings
from .stopping import Diverged, Stopped

T = TypeVar("T")


def enter(settings_class: type[RunSettings], arguments: Sequence[str] | None = None) -> int:
    """Read settings from the command line, train, and return the exit code.

    Args:
        settings_class: the settings of the script's agent.
        arguments: the command line without the script's name; by default the real one.

    Returns:
        What `answer` says.
    """
    return answer(partial(tyro.cli, settings_class, args=arguments), train_late)


def answer(read: Callable[[], T], work: Callable[[T], None]) -> int:
    """Read settings from the command line, do the work, and return the exit code.

    Settings that cannot be used end in one sentence on standard error; a fault of ours keeps its
    traceback.

    Args:
        read: reads the settings.
        work: what to do with them.

    Returns:
        0 if the work is done, 1 if learning diverged, 2 for settings that cannot be used, 130 if
        interrupted, 143 if terminated.
    """
    try:
        settings = read()
        _require_places(settings)
        work(settings)
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Diverged as error:
        print(f"error: {error}; checkpoints before it are kept", file=sys.stderr)
        return 1
    except Stopped as stopped:
        print(f"{stopped}: the same command goes on", file=sys.stderr)
        return 128 + stopped.number
    except KeyboardInterrupt:
        print("interrupted: the same command starts it again", file=sys.stderr)
        return 130
    return 0


def _require_places(settings: object) -> None:
    """Raise where a file could not be written after the work that it is to hold."""
    for name in ("output", "picture", "belief_picture"):
        file = getattr(settings, name, None)
        if isinstance(file, Path):
            # Imported late, as by far not all need it.
            from .run import require_writable

            require_writable(file.absolute().parent, f"--{name.replace('_', '-')} in")


def train_late(settings: RunSettings) -> None:
    """Train, and import only now what is needed for it.

    Args:
        settings: of one agent.
    """
    # Torch takes seconds, and neither `--help` nor a wrong flag needs it.
    from .train import train

    train(settings)
