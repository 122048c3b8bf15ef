"""Train an agent on collected sets, without a world; famo2o-online learns on in one.

Example:
    python scripts/collect.py --policy runs/SlipperyAnt-v0/sac/<hash>/seed_0 --output sets/ant
    python scripts/train_offline.py iql --sets sets/ant --total-steps 100000
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

import tyro

from everlearn.training.door import answer
from everlearn.training.offline import TrainOffline
from everlearn.training.offline_agents import (
    TrainCQL,
    TrainFamO2O,
    TrainIQL,
    TrainOER,
    TrainOnlineFamO2O,
)

AGENTS: dict[str, type[TrainOffline]] = {
    "iql": TrainIQL,
    "cql": TrainCQL,
    "famo2o": TrainFamO2O,
    "famo2o-online": TrainOnlineFamO2O,
    "oer": TrainOER,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        The exit code: 0 if the run is finished, 2 for settings that cannot be used.
    """
    read = partial(
        tyro.extras.subcommand_cli_from_dict, AGENTS, args=arguments, description=__doc__
    )
    return answer(read, _train)


def _train(settings: TrainOffline) -> None:
    # Imported late: torch takes seconds, and neither `--help` nor a wrong flag needs it.
    from everlearn.training.train import train

    train(settings.completed())


if __name__ == "__main__":
    sys.exit(main())
