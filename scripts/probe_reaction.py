"""Compare PPO and DQN with and without Reactive Exploration, in a CartPole that shifts.

Example:
    python scripts/probe_reaction.py --seeds 5 --output reaction.jsonl --picture reaction.png
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

import tyro

from everlearn.training.door import answer
from everlearn.training.probe_reaction import ProbeReaction


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare as the command line says.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        The exit code: 0, or 2 for settings that cannot be used.
    """
    read = partial(tyro.cli, ProbeReaction, args=arguments, description=__doc__)
    return answer(read, lambda settings: settings.run())


if __name__ == "__main__":
    sys.exit(main())
