"""A folder of checkpoints: the newest two are kept, and each is there whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, final

from .tree import CheckpointError, read_tree, to_chunks

_STATE = re.compile(r"\d{8}\.state")
_OURS = re.compile(r"\.?\d{8}\.(state|rows)(\.tmp)?")


class Written(NamedTuple):
    """A checkpoint that is whole in its folder.

    Attributes:
        number: which one it is.
        files: for each file of rows it needs, in order, its name, its SHA-256 and its end.
        size: bytes that were written for it.
    """

    number: int
    files: tuple[dict[str, Any], ...]
    size: int = 0


class Found(NamedTuple):
    """A checkpoint that was read.

    Attributes:
        written: which one it is.
        tree: its state.
        rows: the trees of the files of rows that belong to it, in order.
        damaged: a sentence for each newer one that could not be used.
    """

    written: Written
    tree: dict[str, Any]
    rows: list[dict[str, Any]]
    damaged: list[str]


@final
class CheckpointFolder:
    """Checkpoints in a folder: `<number>.state`, and `<number>.rows` for what only grows.

    A state names the files of rows that it needs. Each file is written beside its place, flushed
    to the disk, and renamed: a process or a machine that stops at any moment leaves the newest
    whole checkpoint in place. Nothing that is kept is ever written to again.

    Args:
        path: the folder; made when the first checkpoint is written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     checkpoints = CheckpointFolder(Path(folder))
        ...     _ = checkpoints.write({"steps": 10})
        ...     checkpoints.read().tree
        {'steps': 10}
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def numbers(self) -> list[int]:
        """Return the numbers of all checkpoints, the oldest first, whole or damaged."""
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return []
        except OSError as error:
            reason = error.strerror or error
            raise CheckpointError(f"cannot read the folder {self.path}: {reason}") from error
        return sorted(int(name[:8]) for name in names if _STATE.fullmatch(name))

    def write(
        self,
        tree: dict[str, Any],
        rows: dict[str, Any] | None = None,
        before: Written | None = None,
        first_needed: int = 0,
    ) -> Written:
        """Write a checkpoint, then remove all but it and the one before.

        Args:
            tree: the state.
            rows: what has come to the rows since `before`, if anything; `"end"` is the number of
                the row after its last.
            before: the checkpoint that this one follows.
            first_needed: rows before this one are needed no more.

        Returns:
            What is to be given to the next call.

        Raises:
            CheckpointError: if it cannot be written; those before it stay as they were.
        """
        newest = max(self.numbers(), default=0)
        number = newest + 1
        inherited = before.files if before is not None else ()
        files, size = [file for file in inherited if file["end"] > first_needed], 0
        try:
            os.makedirs(self.path, exist_ok=True)
            if rows is not None:
                name = f"{number:08d}.rows"
                size, digest = self._write(name, to_chunks(rows))
                files.append({"file": name, "sha256": digest, "end": rows["end"]})
            state = {"tree": tree, "rows": files}
            size += self._write(f"{number:08d}.state", to_chunks(state))[0]
        except OSError as error:
            reason = error.strerror or error
            raise CheckpointError(
                f"cannot write a checkpoint in {self.path}: {reason}; the one before is unharmed"
            ) from error
        kept = {number, newest if before is None else before.number}
        needed = {file["file"] for file in (*inherited, *files)}
        # Without knowing what the one before needs, its rows stay until the next time.
        self._prune(kept, needed, spare_rows_to=newest if before is None else 0)
        return Written(number, tuple(files), size)

    def read(self) -> Found:
        """Read the newest checkpoint that is whole.

        Raises:
            CheckpointError: if there is none.
        """
        damaged: list[str] = []
        for number in reversed(self.numbers()):
            try:
                state, rows = self._read(number)
            except CheckpointError as error:
                damaged.append(str(error))
                continue
            return Found(Written(number, tuple(state["rows"])), state["tree"], rows, damaged)
        if damaged:
            raise CheckpointError(f"no checkpoint in {self.path} can be used: {damaged[0]}")
        raise CheckpointError(f"there is no checkpoint in {self.path}")

    def _read(self, number: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        name = f"{number:08d}.state"
        state, _ = read_tree(self.path / name)
        rows = []
        try:
            for file in state["rows"]:
                if not _OURS.fullmatch(file["file"]):
                    raise CheckpointError(f"{name} names a file outside of its folder")
                _ = file["end"] > 0
                tree, digest = read_tree(self.path / file["file"])
                if digest != file["sha256"]:
                    raise CheckpointError(f"{file['file']} is not the file that {name} was made of")
                rows.append(tree)
            if not isinstance(state["tree"], dict):
                raise CheckpointError(f"{name} makes no sense: it holds no state")
        except (LookupError, TypeError) as error:
            raise CheckpointError(f"{name} makes no sense: {error!r}") from error
        return state, rows

    def _write(self, name: str, chunks: Iterable[memoryview]) -> tuple[int, str]:
        """Write a file and rename it into its place; return its size and its SHA-256."""
        beside = self.path / f".{name}.tmp"
        size, last = 0, b""
        beside.unlink(missing_ok=True)
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            for chunk in chunks:
                done = 0
                while done < len(chunk):
                    done += os.write(handle, chunk[done:])
                size, last = size + done, bytes(chunk[-32:])
            os.fsync(handle)
        except OSError:
            os.unlink(beside)
            raise
        finally:
            os.close(handle)
        os.replace(beside, self.path / name)
        self._sync()
        return size, last.hex()

    def _sync(self) -> None:
        """Flush the folder itself: the names in it."""
        handle = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _prune(self, kept: set[int], needed: set[str], spare_rows_to: int) -> None:
        """Remove what no kept checkpoint needs; what cannot be removed stays for the next time."""
        for name in sorted(os.listdir(self.path)):
            if not _OURS.fullmatch(name) or name in needed:
                continue
            number = int(name.removeprefix(".")[:8])
            spared = kept if name.endswith(".state") else range(spare_rows_to + 1)
            if number in spared and not name.endswith(".tmp"):
                continue
            try:
                os.unlink(self.path / name)
            except OSError:
                return
