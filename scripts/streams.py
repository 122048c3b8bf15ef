"""List every stream, or show what changes when in one.

Example:
    python scripts/streams.py
    python scripts/streams.py everlearn/SlipperyAnt-v0:change_every=500 --steps 5000
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

import tyro

from everlearn.training.door import answer
from everlearn.training.streams import ShowStreams, show_streams


def main(arguments: Sequence[str] | None = None) -> int:
    """Show streams as the command line says.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        The exit code: 0, or 2 for settings that cannot be used.
    """
    return answer(partial(tyro.cli, ShowStreams, args=arguments), show_streams)


if __name__ == "__main__":
    sys.exit(main())
