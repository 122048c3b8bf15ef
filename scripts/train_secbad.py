"""Train PPO, recurrent PPO or SAC on a belief about the hidden context of a changing world: SeCBAD.

Example:
    python scripts/train_secbad.py --context secbad:belief=most-likely --total-steps 100000
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from everlearn.training.door import enter
from everlearn.training.secbad import TrainSeCBAD


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        The exit code: 0 if the run is finished, 2 for settings that cannot be used.
    """
    return enter(TrainSeCBAD, arguments)


if __name__ == "__main__":
    sys.exit(main())
