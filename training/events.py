"""TensorBoard's files of a run that goes on: cut where its checkpoint was, and one more file."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

PATTERN = "events.out.tfevents.*"


def event_sizes(folder: Path) -> dict[str, int]:
    """Return the size of each file of events, which must have been flushed.

    Args:
        folder: the run folder.
    """
    sizes = {}
    for file in sorted(folder.glob(PATTERN)):
        handle = os.open(file, os.O_RDONLY)
        try:
            os.fsync(handle)
            sizes[file.name] = os.fstat(handle).st_size
        finally:
            os.close(handle)
    return sizes


def cut_events(folder: Path, sizes: Mapping[str, int]) -> None:
    """Take away all events but those that were there when the sizes were taken.

    TensorBoard reads the files in the order of their names, which begin with the second in which
    they were made: this waits until the next file's name will be the last.

    Args:
        folder: the run folder.
        sizes: from `event_sizes`. A file that is missing or shorter stays as it is: curves are
            for looking at, and the tables hold the same numbers.
    """
    newest = 0
    for file in sorted(folder.glob(PATTERN)):
        size = sizes.get(file.name, 0)
        if size == 0 or file.is_symlink():
            file.unlink()
            continue
        if file.stat().st_size > size:
            os.truncate(file, size)
        made = file.name.split(".")[3]
        newest = max(newest, int(made) if made.isdecimal() else 0)
    if newest == int(time.time()):
        time.sleep(newest + 1 - time.time())
