"""Look for what methods of replay do, on the smallest worlds in which it may show.

Example:
    python scripts/probe_replay.py adaptive-replay-ratio
    python scripts/probe_replay.py causality-aware-entropy --seeds 5
    python scripts/probe_replay.py warm-start --output warm_start.jsonl
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

from tyro.extras import subcommand_cli_from_dict

from everlearn.training.door import answer
from everlearn.training.probe_replay import PROBES


def main(arguments: Sequence[str] | None = None) -> int:
    """Experiment as the command line says.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        The exit code: 0, or 2 for settings that cannot be used.
    """
    read = partial(subcommand_cli_from_dict, PROBES, args=arguments, description=__doc__)
    return answer(read, lambda settings: settings.run())


if __name__ == "__main__":
    sys.exit(main())
