"""The folder of one run: where it lies, who may write it, and what state it is in."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import yaml
from filelock import FileLock, Timeout

from ..evaluation.run_metrics import EVALUATIONS
from ..wrappers.errors import SettingsError

CONFIG = "config.yaml"
CHANGES = "changes.csv"
DETECTIONS = "detections.csv"
EPISODES = "episodes.csv"
ITERATIONS = "iterations.csv"
MODEL = "model.zip"
PICTURE = "return.png"
STAMP = "stamp.json"
STATUS = "status.json"

TABLES = (ITERATIONS, EPISODES, EVALUATIONS, CHANGES, DETECTIONS)
"""All tables of a run, the most looked at first."""

_LOCK = ".lock"
_WRITTEN = (
    *TABLES,
    CONFIG,
    MODEL,
    PICTURE,
    STAMP,
    STATUS,
    "events.out.tfevents.*",
)
_PACKAGES = (
    "everlearn",
    "envpool",
    "gymnasium",
    "mujoco",
    "numpy",
    "sb3-contrib",
    "stable-baselines3",
    "tensorboard",
    "torch",
)


class Held(SettingsError):
    """Another process is writing a run folder."""


@dataclass(frozen=True)
class Status:
    """How far a run has come."""

    state: Literal["running", "finished", "stopped", "failed"]
    """A run that was killed stays "running"; one that was asked to stop is "stopped"."""

    steps: int
    """Environment steps taken, over all copies."""

    iteration: int
    """Iterations ended."""

    error: str = ""
    """What ended a failed run."""

    checkpoints: str = ""
    """How many checkpoints there were, and what they cost."""


def config_hash(identity: Mapping[str, Any]) -> str:
    """Return ten hexadecimal digits that tell one configuration from another.

    Args:
        identity: everything that makes two runs of the same seed differ, as JSON can hold it;
            the order of the keys is of no account.

    Example:
        >>> config_hash({"agent": "ppo", "gamma": 0.99})
        'd92bf11296'
        >>> config_hash({"gamma": 0.99, "agent": "ppo"})
        'd92bf11296'
    """
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def run_path(runs_folder: str | Path, stream: str, agent: str, config_hash: str, seed: int) -> Path:
    """Return where a run lies.

    Args:
        runs_folder: the folder of all runs.
        stream: the stream's name, with or without its `everlearn/`.
        agent: the agent's name with those of its methods.
        config_hash: from `config_hash`.
        seed: the run's seed.

    Raises:
        SettingsError: the name leads out of the folder of all runs, as one read from a file may.

    Example:
        >>> run_path("runs", "everlearn/SlipperyAnt-v0", "ppo", "d92bf11296", 0).as_posix()
        'runs/SlipperyAnt-v0/ppo/d92bf11296/seed_0'
    """
    name = Path(stream.removeprefix("everlearn/"))
    if name.is_absolute() or not name.parts or ".." in name.parts or "\0" in stream:
        raise SettingsError(f"a stream named {stream!r} can have no folder of runs: rename it")
    return Path(runs_folder, name, agent, config_hash, f"seed_{seed}")


def require_writable(path: Path, what: str = "the run folder") -> None:
    """Raise unless a folder can be made and written at `path`; leave nothing behind.

    Args:
        path: the folder, which need not exist yet.
        what: how the sentence calls what is to be written.

    Raises:
        SettingsError: naming the folder and what stands in the way.
    """
    nearest = path.absolute()
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise SettingsError(f"cannot write {what} {path}: {nearest} is not a folder")
    try:
        # A trial tells the truth where permission bits do not: for root, on read-only disks.
        with tempfile.TemporaryDirectory(dir=nearest, prefix=".everlearn-"):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise SettingsError(f"cannot write {what} {path}: {nearest}: {reason}") from error


@contextmanager
def claim(path: Path) -> Iterator[None]:
    """Hold a run folder, which is made where it is missing, so that no one else writes in it.

    The operating system gives it back when the process ends, however it ends.

    Args:
        path: the run folder.

    Raises:
        Held: if another process holds it.
    """
    path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path / _LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise Held(f"another process is writing the run folder {path}") from None
    try:
        yield
    finally:
        lock.release()


def clear(path: Path) -> None:
    """Remove what an earlier run wrote into its folder, and nothing else.

    Args:
        path: the run folder.
    """
    for pattern in _WRITTEN:
        for file in path.glob(pattern):
            file.unlink()


def write_atomically(file: Path, text: str) -> None:
    """Write a file so that a reader sees the old text or the new, and never a part.

    Args:
        file: what to write; its folder must exist.
        text: the whole new text.
    """
    beside = file.with_name(f".{file.name}.tmp")
    # A stranger's folder may hold a link of this name to anywhere.
    beside.unlink(missing_ok=True)
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, file)


def write_json(file: Path, data: Mapping[str, Any]) -> None:
    """Write data as readable JSON, atomically.

    Args:
        file: what to write.
        data: what JSON can hold.
    """
    write_atomically(file, json.dumps(data, indent=2) + "\n")


def write_config(path: Path, config: Mapping[str, Any]) -> None:
    """Write the configuration of a run.

    Args:
        path: the run folder.
        config: what JSON can hold; tuples become lists.
    """
    plain = json.loads(json.dumps(config))
    write_atomically(path / CONFIG, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))


def read_status(path: Path) -> Status | None:
    """Return the state a run is in, or None where there is none that can be read.

    Args:
        path: the run folder.
    """
    try:
        return Status(**json.loads((path / STATUS).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_status(path: Path, status: Status) -> None:
    """Write the state a run is in.

    Args:
        path: the run folder.
        status: the state.
    """
    write_json(path / STATUS, {key: value for key, value in asdict(status).items() if value != ""})


def write_stamp(path: Path, goes_on: bool) -> None:
    """Write where a run comes from; when it goes on, below what was written before.

    Args:
        path: the run folder.
        goes_on: whether the run was started before.
    """
    now = stamp()
    try:
        before = json.loads((path / STAMP).read_text(encoding="utf-8")) if goes_on else None
    except (OSError, ValueError):
        before = None
    if not isinstance(before, dict):
        write_json(path / STAMP, now)
        return
    later = before.get("continued")
    later = later if isinstance(later, list) else []
    write_json(path / STAMP, {**before, "continued": [*later, now]})
    packages = before.get("packages")
    if isinstance(packages, dict) and packages != now["packages"]:
        names = [n for n, version in now["packages"].items() if packages.get(n) != version]
        print(f"other versions than before of {', '.join(names)}: last bits may differ")


def stamp() -> dict[str, Any]:
    """Return what a result must be traced back to: command, versions, git commit, machine."""
    return {
        "command": shlex.join([Path(sys.executable).name, *sys.argv]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "git": _git(),
        "machine": {
            "system": platform.platform(),
            "name": platform.node(),
            "cores": os.cpu_count(),
        },
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git() -> dict[str, Any] | None:
    """Return the commit of everlearn's own checkout, if it runs from one."""
    checkout = str(Path(__file__).resolve().parents[1])
    try:
        if not _output("git", "-C", checkout, "ls-files", "training/run.py"):
            return None
        commit = _output("git", "-C", checkout, "rev-parse", "HEAD")
        changed = _output("git", "-C", checkout, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "uncommitted_changes": bool(changed)}


def _output(*command: str) -> str:
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    return run.stdout.strip()
