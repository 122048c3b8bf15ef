"""Prove which methods keep old tasks, in about half a minute a run.

Example:
    python scripts/prove_retention.py --methods fine-tuning cotasp --seeds 0 1 2
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

import tyro

from everlearn.training.door import answer
from everlearn.training.prove_retention import ProveRetention, prove_retention


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove what the command line says.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        The exit code: 0, or 2 for settings that cannot be used.
    """
    return answer(partial(tyro.cli, ProveRetention, args=arguments), _work)


def _work(settings: ProveRetention) -> None:
    prove_retention(settings)


if __name__ == "__main__":
    sys.exit(main())
