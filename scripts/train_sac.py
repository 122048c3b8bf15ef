"""Train SAC in a changing world.

Example:
    python scripts/train_sac.py --stream everlearn/SlipperyAnt-v0 --methods continual-backprop
    python scripts/train_sac.py --preset sr-sac --replay-ratio 8
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from inspect import cleandoc
from typing import Annotated

import tyro

from everlearn.training.door import answer, train_late
from everlearn.training.presets import describe_presets, preset_settings, take_preset
from everlearn.training.sac import TrainSAC


def main(arguments: Sequence[str] | None = None) -> int:
    """Train SAC as the command line says.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        The exit code: 0 if the run is finished, 2 for settings that cannot be used.
    """
    return answer(partial(read, sys.argv[1:] if arguments is None else arguments), train_late)


def read(arguments: Sequence[str]) -> TrainSAC:
    """Read the settings of a run.

    Args:
        arguments: the command line without the script's name.

    Raises:
        SettingsError: for a preset that there is not.
    """
    name, rest = take_preset(arguments)
    begun = TrainSAC() if name is None else preset_settings(name)

    def begin(
        settings: Annotated[TrainSAC, tyro.conf.arg(name="")] = begun,
        preset: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = name,
    ) -> TrainSAC:
        """Return the settings; the preset is taken already.

        Args:
            settings: of the run.
            preset: A paper's settings to begin from, see above.
        """
        return settings

    description = f"{cleandoc(TrainSAC.__doc__ or '')}\n\n{describe_presets()}"
    return tyro.cli(begin, args=rest, description=description)


if __name__ == "__main__":
    sys.exit(main())
