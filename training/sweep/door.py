"""How `scripts/sweep.py` is entered from the command line, and how it is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import tyro

from ..door import answer
from .command import Plan, Retry, Run, Status
from .engines import IncompleteError
from .search import Search

_COMMANDS: dict[str, Any] = {
    "plan": Plan(),
    "run": Run(),
    "status": Status(),
    "retry": Retry(),
    "search": Search(),
}
_COMMAND: Any = tyro.extras.subcommand_type_from_defaults(
    _COMMANDS,
    {name: str(type(one).__doc__).partition("\n")[0] for name, one in _COMMANDS.items()},
)


def enter_sweep(arguments: Sequence[str] | None = None) -> int:
    """Read what to do with a sweep from the command line, do it, and return the exit code.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        What `answer` says, or 1 if units are missing at the end.
    """

    def read() -> tuple[Plan | Run | Status | Retry | Search, list[str]]:
        command, words = tyro.cli(_COMMAND, args=arguments, return_unknown_args=True)
        return cast("Plan | Run | Status | Retry | Search", command), words

    try:
        return answer(read, lambda found: found[0].run(found[1]))
    except IncompleteError:
        return 1
