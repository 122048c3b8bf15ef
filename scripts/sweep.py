"""Run streams x agents x methods x seeds, on this machine, on Slurm or on a Ray cluster.

Example:
    python scripts/sweep.py run --methods none continual-backprop --seeds 0-9 --total-steps 200000
    python scripts/sweep.py status
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from everlearn.training.sweep.door import enter_sweep


def main(arguments: Sequence[str] | None = None) -> int:
    """Do with a sweep what the command line says.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        The exit code: 0 if all is finished, 1 if units are missing, 2 for settings that cannot be
        used, 130 or 143 if interrupted.
    """
    return enter_sweep(arguments)


if __name__ == "__main__":
    sys.exit(main())
