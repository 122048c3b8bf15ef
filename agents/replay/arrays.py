"""Arrays of zeros, in memory or in a memory-mapped file."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...wrappers.errors import SettingsError

_ALIGNMENT = 64


def make_arrays(
    columns: Mapping[str, tuple[tuple[int, ...], npt.DTypeLike]],
    memmap_folder: str | Path | None = None,
) -> dict[str, np.ndarray]:
    """Return arrays of zeros.

    The memory-mapped file has no name: nobody else can open it, no later process
    can take it for its own, and its place is free again when the arrays or the process end,
    however that ends. All of its place is taken at once, as a full disk would end the process later
    without a word.

    Args:
        columns: for each array its shape and type.
        memmap_folder: a folder on whose disk they lie, in one file; None for memory.

    Returns:
        The arrays, by their names.

    Raises:
        SettingsError: the file cannot be made, or there is no such memory.

    Example:
        >>> arrays = make_arrays({"rewards": ((2, 3), np.float32)}, tempfile.gettempdir())
        >>> arrays["rewards"] += 1
        >>> arrays["rewards"].sum().item()
        6.0
    """
    sizes = {n: math.prod(shape) * np.dtype(kind).itemsize for n, (shape, kind) in columns.items()}
    if memmap_folder is None:
        try:
            return {name: np.zeros(shape, dtype) for name, (shape, dtype) in columns.items()}
        except MemoryError:
            raise SettingsError(
                f"there is no memory for {sum(sizes.values()) / 1e6:,.1f} MB of replay: make it "
                "smaller, or name a memmap_folder"
            ) from None
    starts, end = {}, 0
    for name, size in sizes.items():
        starts[name], end = end, end + -(-size // _ALIGNMENT) * _ALIGNMENT
    raw = _map(end, memmap_folder)
    return {
        name: raw[starts[name] : starts[name] + sizes[name]].view(dtype).reshape(shape)
        for name, (shape, dtype) in columns.items()
    }


def _map(size: int, folder: str | Path) -> np.ndarray:
    """Return the bytes of a new file, which goes with them."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            mapped = mmap.mmap(file.fileno(), size)
        if hasattr(mmap, "MADV_RANDOM"):
            # Else each row of a batch brings its neighbours in from the disk: 50 times the bytes.
            mapped.madvise(mmap.MADV_RANDOM)
        return np.frombuffer(mapped, np.uint8)
    except OSError as error:
        reason = error.strerror or error
        raise SettingsError(
            f"cannot map {size / 1e6:,.1f} MB of replay into a file in {folder}: {reason}"
        ) from error
