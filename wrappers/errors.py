"""The one error for wrong settings, and the sentence that names the nearest match."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class SettingsError(ValueError):
    """A setting that cannot be used; its message is one sentence for the user.

    Doors (the scripts) print the message alone and leave with exit code 2; in Python it is a
    `ValueError` like any other.
    """


def unknown(kind: str, name: str, allowed: Iterable[str]) -> SettingsError:
    """Describe an unknown name, with the nearest allowed one where one is near.

    Args:
        kind: what the name was meant to be, such as "stream" or "method".
        name: the name as it was given.
        allowed: every name that would have been right.

    Returns:
        The error, to be raised by the caller.

    Example:
        >>> print(unknown("method", "layernorm", ["layer-norm", "redo"]))
        unknown method 'layernorm': did you mean 'layer-norm'?
        >>> print(unknown("method", "x", ["layer-norm", "redo"]))
        unknown method 'x': choose from 'layer-norm', 'redo'
    """
    choices = sorted(allowed)
    nearest = get_close_matches(name, choices, n=1, cutoff=0.6)
    if nearest:
        return SettingsError(f"unknown {kind} {name!r}: did you mean {nearest[0]!r}?")
    if not choices:
        return SettingsError(f"unknown {kind} {name!r}: there are none to choose from")
    return SettingsError(
        f"unknown {kind} {name!r}: choose from {', '.join(repr(choice) for choice in choices)}"
    )
