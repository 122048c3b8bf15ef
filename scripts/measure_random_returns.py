"""Measure what random actions bring in every base world, and write the committed table.

Example:
    python scripts/measure_random_returns.py
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

import tyro

from everlearn.training.door import answer
from everlearn.training.random_returns import MeasureRandomReturns


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure as the command line says.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        The exit code: 0, or 2 for settings that cannot be used.
    """
    read = partial(tyro.cli, MeasureRandomReturns, args=arguments)
    return answer(read, lambda settings: settings.run())


if __name__ == "__main__":
    sys.exit(main())
