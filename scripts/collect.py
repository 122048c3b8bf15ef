"""Collect a set of experience in minari's format, for learning without a world.

Example:
    python scripts/collect.py --output sets/random --stream everlearn/SlipperyAnt-v0
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

import tyro

from everlearn.training.collect import Collect
from everlearn.training.door import answer


def main(arguments: Sequence[str] | None = None) -> int:
    """Collect as the command line says.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        The exit code: 0, or 2 for settings that cannot be used.
    """
    return answer(partial(tyro.cli, Collect, args=arguments), lambda settings: settings.run())


if __name__ == "__main__":
    sys.exit(main())
