"""Train PPO in a changing world.

Example:
    python scripts/train_ppo.py --stream everlearn/SlipperyAnt-v0 --methods continual-backprop
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from everlearn.training.door import enter
from everlearn.training.ppo import TrainPPO


def main(arguments: Sequence[str] | None = None) -> int:
    """Train PPO as the command line says.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        The exit code: 0 if the run is finished, 2 for settings that cannot be used.
    """
    return enter(TrainPPO, arguments)


if __name__ == "__main__":
    sys.exit(main())
