"""Runs one unit of a sweep in a process of its own; all back ends start it.

As a script: `python -m everlearn.training.sweep.unit <sweep's folder> <unit's name> [cores ...]`.
It ends, with a checkpoint, when its standard input does: so no unit outlives what started it,
however that ended.
"""

from __future__ import annotations

import os
import platform
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from ...wrappers.errors import SettingsError
from ..run import Held, read_status
from ..stopping import Diverged, Stopped
from .folder import HELD, UNWRITABLE, Heard, SweepFolder
from .units import Unit

BEAT = 5.0
"""Seconds from one sign of life to the next."""

PATIENCE = 90.0
"""Seconds to wait for another process that runs the same unit, as one that is stopping does."""


def run_unit(sweep: SweepFolder, unit: Unit) -> int:
    """Run a unit to its end, and return what the process shall end with.

    Args:
        sweep: the sweep that it is of.
        unit: the unit.

    Returns:
        0 if the run is finished, 1 for a fault, 2 for settings that cannot be used, `UNWRITABLE`
        for a disk that is, `HELD` if another process runs it, 128 and the signal's number if
        asked to stop.
    """
    if not _is_free(sweep, unit):
        print("error: another process runs this unit", file=sys.stderr)
        return HELD
    with _signs_of_life(sweep, unit) as ends:
        code, error = _train(sweep, unit)
        ends(code, error)
    return code


def _train(sweep: SweepFolder, unit: Unit) -> tuple[int, str]:
    from ..train import train

    until = time.monotonic() + PATIENCE
    while True:
        try:
            train(unit.run_settings(sweep.runs_folder))
            return 0, ""
        except Held as error:
            if time.monotonic() > until:
                return HELD, _say(error)
            time.sleep(1)
        except SettingsError as error:
            return UNWRITABLE if isinstance(error.__cause__, OSError) else 2, _say(error)
        except Diverged as error:
            return 1, _say(error)
        except Stopped as stopped:
            return 128 + stopped.number, str(stopped)
        except Exception as error:
            with suppress(OSError):
                traceback.print_exc()
            return 1, f"{type(error).__name__}: {error}"


def _say(error: Exception) -> str:
    with suppress(OSError):  # the log may lie on a full disk
        print(f"error: {error}", file=sys.stderr)
    return str(error)


def _is_free(sweep: SweepFolder, unit: Unit) -> bool:
    """Wait a while for a process that runs the unit; return whether there is none (any more)."""
    until = time.monotonic() + PATIENCE
    while (heard := sweep.hear(unit)) is not None and heard.lives(time.time()):
        if time.monotonic() > until:
            return False
        time.sleep(0.5)
    return True


@contextmanager
def _signs_of_life(sweep: SweepFolder, unit: Unit) -> Iterator[_Ends]:
    """Tell every few seconds that this process runs a unit, and in the end how it ended."""
    status = read_status(sweep.runs_folder / unit.folder)
    now = time.time()
    steps = 0 if status is None else status.steps
    told = Heard(platform.node(), os.getpid(), now, steps, now)
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT):
            sweep.tell(unit, replace(told, heard=time.time()))

    sweep.tell(unit, told)
    beats = threading.Thread(target=beat, daemon=True)
    beats.start()
    ends = _Ends()
    try:
        yield ends
    finally:
        ended.set()
        beats.join()
        sweep.tell(unit, replace(told, heard=time.time(), code=ends.code, error=ends.error))


class _Ends:
    """What a unit ends with: a fault, unless another word is said."""

    def __init__(self) -> None:
        self.code = 1
        self.error = "ended by a fault"

    def __call__(self, code: int, error: str) -> None:
        self.code, self.error = code, error


def _end_with_input() -> None:
    """Ask this process to stop when its standard input ends."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def _stop(number: int, frame: object) -> None:
    raise Stopped(number)


def main(arguments: Sequence[str]) -> int:
    """Run the unit that the command line names.

    Args:
        arguments: the sweep's folder, the unit's name, and the numbers of the cores to use.

    Returns:
        What `run_unit` says.
    """
    path, name, *cores = arguments
    if cores and hasattr(os, "sched_setaffinity"):
        # Worlds that step in several threads take as many as there are cores.
        os.sched_setaffinity(0, map(int, cores))
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        # Slurm tells all processes of a job; the one that started this one passes it on.
        signal.signal(number, signal.SIG_IGN)
    # While there is nothing yet to save.
    signal.signal(signal.SIGTERM, _stop)
    sweep = SweepFolder(Path(path))
    unit = sweep.unit(name)
    _end_with_input()
    try:
        return run_unit(sweep, unit)
    except Stopped as stopped:
        return 128 + stopped.number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
