"""Train CoTASP on a sequence of tasks: each gets its own neurons of one policy, and keeps them.

Example:
    python scripts/train_cotasp.py --stream everlearn/CW20-v0 --total-steps 20000000
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from everlearn.training.cotasp import TrainCoTASP
from everlearn.training.door import enter


def main(arguments: Sequence[str] | None = None) -> int:
    """Train CoTASP as the command line says.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        The exit code: 0 if the run is finished, 2 for settings that cannot be used.
    """
    return enter(TrainCoTASP, arguments)


if __name__ == "__main__":
    sys.exit(main())
