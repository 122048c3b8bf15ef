"""Show what far too much learning from few samples does to SAC, and which resets cure it.

Example:
    python scripts/probe_priming.py --seeds 5 --picture priming.png
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

import tyro

from everlearn.training.door import answer
from everlearn.training.priming import ProbePriming


def main(arguments: Sequence[str] | None = None) -> int:
    """Experiment as the command line says.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        The exit code: 0, or 2 for settings that cannot be used.
    """
    read = partial(tyro.cli, ProbePriming, args=arguments, description=__doc__)
    return answer(read, lambda settings: settings.run())


if __name__ == "__main__":
    sys.exit(main())
