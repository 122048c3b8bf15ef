"""Trees of plain data as bytes, and back: nothing that is read is ever run."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import struct
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...wrappers.errors import SettingsError
from ..replay.pieces import Array, Pieces, blocks

FORMAT = 1
"""Changes when older files can no longer be read."""

_NAME = b"everlearn checkpoint "
_LENGTH = struct.Struct("<Q")
_DIGEST = hashlib.sha256().digest_size
_CHUNK = 1 << 24
_TYPE = re.compile(r"[<>|][biufcSU]\d{1,6}")
_UNREADABLE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)


class CheckpointError(SettingsError):
    """A checkpoint that cannot be written or used; its message is one sentence."""


def to_chunks(tree: Any) -> Iterator[memoryview]:
    """Yield the bytes of a tree, the arrays without a copy where they lie in one piece.

    Of `Pieces`, which are read as arrays, no more than a megabyte is copied at a time.

    First comes a line with the format, then the length of a header and the header in JSON: the
    tree, with a number in place of each array. The arrays' raw bytes follow, and the SHA-256 of
    all that.

    Args:
        tree: dictionaries, lists, tuples, numbers, strings, None, numpy arrays, `Pieces`, torch
            tensors.

    Raises:
        TypeError: for anything else.
    """
    arrays: list[Array] = []
    shape = _encode(tree, arrays)
    described = [[array.dtype.str, list(array.shape)] for array in arrays]
    header = json.dumps({"tree": shape, "arrays": described}, separators=(",", ":")).encode()
    digest = hashlib.sha256()
    first = _NAME + f"{FORMAT}\n".encode() + _LENGTH.pack(len(header)) + header
    whole = (blocks(array) if isinstance(array, Pieces) else [array] for array in arrays)
    for piece in chain([np.frombuffer(first, np.uint8)], *whole):
        raw = np.ascontiguousarray(piece).reshape(-1).view(np.uint8).data
        for start in range(0, len(raw), _CHUNK):
            chunk = raw[start : start + _CHUNK]
            digest.update(chunk)
            yield chunk
    yield memoryview(digest.digest())


def read_tree(file: Path) -> tuple[Any, str]:
    """Read a tree from a file, whose arrays stay in the file until they are looked at.

    Args:
        file: written from `to_chunks`.

    Returns:
        The tree, with arrays that must not be written to, and the file's SHA-256.

    Raises:
        CheckpointError: saying what is wrong with the file.
    """
    try:
        size = os.stat(file).st_size
        raw = _map(file, size)
    except OSError as error:
        raise CheckpointError(f"{file.name} cannot be read: {error.strerror or error}") from error
    _require_format(file.name, bytes(raw[: len(_NAME) + 8]))
    body, end = raw[:-_DIGEST].data, bytes(raw[-_DIGEST:])
    digest = hashlib.sha256()
    for start in range(0, len(body), _CHUNK):
        digest.update(body[start : start + _CHUNK])
    if digest.digest() != end:
        raise CheckpointError(f"{file.name} is damaged: its checksum is wrong")
    try:
        return _parse(raw[:-_DIGEST]), end.hex()
    except _UNREADABLE as error:
        raise CheckpointError(f"{file.name} makes no sense: {error}") from error


def _map(file: Path, size: int) -> np.ndarray:
    """Return the bytes of a file, which are read when they are looked at.

    A buffer may lie in thousands of files: unlike `numpy.memmap` torch keeps none of them open.
    """
    with file.open("rb"):  # for its error, if it cannot be
        if not size:
            return np.empty(0, np.uint8)
        try:
            raw = torch.from_file(str(file), shared=False, size=size, dtype=torch.uint8).numpy()
        except RuntimeError:
            # A private map, as torch makes it, counts as memory where that is never overcommitted.
            return np.memmap(file, np.uint8, "r")
    raw.flags.writeable = False
    return raw


def _require_format(name: str, start: bytes) -> None:
    line = start.split(b"\n")[0]
    if not line.startswith(_NAME) or b"\n" not in start:
        raise CheckpointError(f"{name} is no checkpoint, or its beginning is damaged")
    found = line[len(_NAME) :].decode(errors="replace")
    if found != str(FORMAT):
        raise CheckpointError(f"{name} has format {found}; this everlearn reads format {FORMAT}")


def _parse(raw: np.ndarray) -> Any:
    start = len(_NAME) + len(str(FORMAT)) + 1 + _LENGTH.size
    (length,) = _LENGTH.unpack(bytes(raw[start - _LENGTH.size : start]))
    header = json.loads(bytes(raw[start : start + length]))
    start += length
    arrays = []
    for name, shape in header["arrays"]:
        if not _TYPE.fullmatch(name) or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError(f"an array of type {name!r} and shape {shape!r}")
        dtype = np.dtype(name)
        size = dtype.itemsize * math.prod(shape)
        if start + size > len(raw):
            raise ValueError("an array that ends after the file")
        arrays.append(raw[start : start + size].view(np.ndarray).view(dtype).reshape(shape))
        start += size
    return _decode(header["tree"], arrays)


def _encode(value: Any, arrays: list[Array]) -> Any:
    if isinstance(value, (np.ndarray, Pieces, np.generic, torch.Tensor)):
        return _encode_array(value, arrays)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return [_encode(entry, arrays) for entry in value]
    if isinstance(value, tuple):
        return {"$": "tuple", "of": [_encode(entry, arrays) for entry in value]}
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value) and "$" not in value:
            return {key: _encode(entry, arrays) for key, entry in value.items()}
        pairs = [[_encode(key, arrays), _encode(entry, arrays)] for key, entry in value.items()]
        return {"$": "dict", "of": pairs}
    raise TypeError(f"a checkpoint holds plain data, not a {type(value).__name__}")


def _encode_array(value: Any, arrays: list[Array]) -> dict[str, Any]:
    kind = "array"
    if isinstance(value, torch.Tensor):
        kind, value = "tensor", value.detach().cpu().numpy()
    elif isinstance(value, np.generic):
        kind, value = "scalar", np.asarray(value)
    if value.dtype.kind not in "biufcSU":
        raise TypeError(f"a checkpoint holds no arrays of type {value.dtype}")
    arrays.append(value)
    return {"$": kind, "of": len(arrays) - 1}


def _decode(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_decode(entry, arrays) for entry in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("$")
    if kind is None:
        return {key: _decode(entry, arrays) for key, entry in value.items()}
    if kind == "tuple":
        return tuple(_decode(entry, arrays) for entry in value["of"])
    if kind == "dict":
        return {_decode(key, arrays): _decode(entry, arrays) for key, entry in value["of"]}
    array = arrays[value["of"]]
    if kind == "scalar":
        return array[()]
    if kind == "tensor":
        return torch.from_numpy(array.copy())
    if kind != "array":
        raise ValueError(f"a value of kind {kind!r}")
    return array
