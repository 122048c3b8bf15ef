"""Train SAC in a changing world.

Example:
    python scripts/train_sac.py --stream everlearn/SlipperyAnt-v0 --methods continual-backprop
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from everlearn.training.door import enter
from everlearn.training.sac import TrainSAC


def main(arguments: Sequence[str] | None = None) -> int:
    """Train SAC as the command line says.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        The exit code: 0 if the run is finished, 2 for settings that cannot be used.
    """
    return enter(TrainSAC, arguments)


if __name__ == "__main__":
    sys.exit(main())
