"""Probe which methods keep a small network able to learn, in about half a minute a run.

Example:
    python scripts/probe_plasticity.py
    python scripts/probe_plasticity.py --methods adam l2 redo:every_updates=300 --seeds 0 1 2
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

import tyro

from everlearn.training.door import answer
from everlearn.training.probe_plasticity import ProbePlasticity, probe_plasticity


def main(arguments: Sequence[str] | None = None) -> int:
    """Probe what the command line says.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        The exit code: 0, or 2 for settings that cannot be used.
    """
    return answer(partial(tyro.cli, ProbePlasticity, args=arguments), _work)


def _work(settings: ProbePlasticity) -> None:
    probe_plasticity(settings)


if __name__ == "__main__":
    sys.exit(main())
