"""Train PPO with a memory, an LSTM, in a changing world.

Example:
    python scripts/train_recurrent_ppo.py --stream everlearn/CartPoleForceSign-v0 --lstm-size 64
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from everlearn.training.door import enter
from everlearn.training.recurrent_ppo import TrainRecurrentPPO


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        The exit code: 0 if the run is finished, 2 for settings that cannot be used.
    """
    return enter(TrainRecurrentPPO, arguments)


if __name__ == "__main__":
    sys.exit(main())
