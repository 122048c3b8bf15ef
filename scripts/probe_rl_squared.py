"""Compare agents that adapt within trials: RL² with and without level replay, and without memory.

Example:
    python scripts/probe_rl_squared.py --seeds 3 --output adaptation.jsonl
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

import tyro

from everlearn.training.door import answer
from everlearn.training.probe_rl_squared import ProbeRLSquared


def main(arguments: Sequence[str] | None = None) -> int:
    """Experiment as the command line says.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        The exit code: 0, or 2 for settings that cannot be used.
    """
    read = partial(tyro.cli, ProbeRLSquared, args=arguments, description=__doc__)
    return answer(read, lambda settings: settings.run())


if __name__ == "__main__":
    sys.exit(main())
