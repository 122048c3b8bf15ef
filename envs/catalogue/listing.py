"""The list of streams, which the other files of this folder fill."""

from __future__ import annotations

from collections.abc import Callable

from ..stream import Stream

Builder = Callable[..., Stream]
"""Makes a stream of its settings."""

CATALOGUE: dict[str, Builder] = {}
"""Every stream by its id."""


def listed(name: str) -> Callable[[Builder], Builder]:
    """Enter a stream into the catalogue; a decorator.

    Args:
        name: the id without the namespace, with its version.
    """

    def enter(builder: Builder) -> Builder:
        CATALOGUE[f"everlearn/{name}"] = builder
        return builder

    return enter
