"""Measure how fast everlearn is on this machine, beside what others offer.

Example:
    python scripts/benchmark.py worlds
    python scripts/benchmark.py learner
    python scripts/benchmark.py curves --comparisons "ppo CartPole-v1" --seeds 5
    python scripts/benchmark.py logging
    python scripts/benchmark.py methods --agents ppo
    python scripts/benchmark.py optimizers
    python scripts/benchmark.py checkpoints
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

from tyro.extras import subcommand_cli_from_dict

from everlearn.training.benchmark.checkpoints import BenchmarkCheckpoints
from everlearn.training.benchmark.curves import BenchmarkCurves
from everlearn.training.benchmark.learner import BenchmarkLearner
from everlearn.training.benchmark.logging import BenchmarkLogging
from everlearn.training.benchmark.methods import BenchmarkMethods
from everlearn.training.benchmark.optimizers import BenchmarkOptimizers
from everlearn.training.benchmark.worlds import BenchmarkWorlds
from everlearn.training.door import answer

COMMANDS = {
    "checkpoints": BenchmarkCheckpoints,
    "curves": BenchmarkCurves,
    "learner": BenchmarkLearner,
    "logging": BenchmarkLogging,
    "methods": BenchmarkMethods,
    "optimizers": BenchmarkOptimizers,
    "worlds": BenchmarkWorlds,
}
"""Each command's settings, whose `run` does the work."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line says.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        The exit code: 0, or 2 for settings that cannot be used.
    """
    read = partial(subcommand_cli_from_dict, COMMANDS, args=arguments, description=__doc__)
    return answer(read, lambda settings: settings.run())


if __name__ == "__main__":
    sys.exit(main())
