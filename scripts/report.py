"""Report on runs: one page with figures, statistics, and what they allow to conclude.

Example:
    python scripts/report.py runs/SlipperyAnt-v0 --output report
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

import tyro

from everlearn.training.door import answer
from everlearn.training.report import MakeReport


def main(arguments: Sequence[str] | None = None) -> int:
    """Report as the command line says.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        The exit code: 0, or 2 for runs that cannot be reported.
    """
    read = partial(tyro.cli, MakeReport, args=arguments)
    return answer(read, lambda settings: settings.run())


if __name__ == "__main__":
    sys.exit(main())
