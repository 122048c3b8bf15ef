"""Starts a unit of a sweep as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from .folder import SweepFolder
from .units import Unit

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def start_unit(
    sweep: SweepFolder, unit: Unit, cores: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start a unit; all that it says goes into its log.

    It stops, with a checkpoint, when it gets SIGTERM or when the process that called this ends.
    Where a log cannot be written, as on a full disk, there is none.

    Args:
        sweep: the sweep that it is of.
        unit: the unit.
        cores: numbers of the cores that it may use; all, if none is named.
    """
    command = [sys.executable, "-P", "-m", "everlearn.training.sweep.unit"]
    threads = str(unit.threads)
    with _open(sweep.log(unit)) as log:
        return subprocess.Popen(
            [*command, str(sweep.path.absolute()), unit.name, *map(str, cores)],
            env={**os.environ, **dict.fromkeys(_THREADS, threads)},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for the sweep, which tells its units in good order.
            start_new_session=True,
        )


def _open(log: Path) -> BinaryIO:
    try:
        return log.open("ab")
    except OSError:
        return open(os.devnull, "ab")
