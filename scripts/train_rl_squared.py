"""Train an agent to adapt within a few episodes in a hidden context: RL² with level replay.

Example:
    python scripts/train_rl_squared.py --stream everlearn/CartPoleForces-v0 --sampling uniform
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from everlearn.training.door import enter
from everlearn.training.rl_squared import TrainRLSquared


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        The exit code: 0 if the run is finished, 2 for settings that cannot be used.
    """
    return enter(TrainRLSquared, arguments)


if __name__ == "__main__":
    sys.exit(main())
