"""Compare runs that learned the same tasks in turn: what they kept, and what it helped.

Example:
    python scripts/compare_sequences.py runs/CW3-v0 --reference sac+multi-head
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

import tyro

from everlearn.training.compare_sequences import CompareSequences, compare_sequences
from everlearn.training.door import answer


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare what the command line says.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        The exit code: 0, or 2 for runs that cannot be compared.
    """
    return answer(partial(tyro.cli, CompareSequences, args=arguments), _work)


def _work(settings: CompareSequences) -> None:
    compare_sequences(settings)


if __name__ == "__main__":
    sys.exit(main())
