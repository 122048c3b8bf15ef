"""A run's checkpoints: written while it learns, found again when it is started again."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import torch
import yaml
from stable_baselines3.common.callbacks import BaseCallback

from ..agents.checkpoint import Found, keeps_worlds, read_checkpoint, save_checkpoint
from ..agents.checkpoint.folder import CheckpointFolder
from ..wrappers.errors import SettingsError
from . import run
from .logging import IterationWriter, StreamRecorder
from .stopping import Diverged, StopRequest

CHECKPOINT = "checkpoint"
"""The folder of checkpoints in a run's folder."""


class Cost(NamedTuple):
    """What checkpoints have cost so far.

    Attributes:
        number: how many were written.
        seconds: how long that took.
        size: bytes of all of them.
    """

    number: int = 0
    seconds: float = 0.0
    size: int = 0

    def __str__(self) -> str:
        """Say it in a line."""
        each = self.size / max(self.number, 1) / 1e6
        return f"{self.number:,} in {self.seconds:.1f} s, {each:.2f} MB each"

    def plus(self, seconds: float, size: int) -> Cost:
        """Return the cost with one checkpoint more."""
        return Cost(self.number + 1, self.seconds + seconds, self.size + size)


@final
class Checkpoints(BaseCallback):
    """Saves the run at the end of every few iterations, and when it was asked to stop.

    It also ends a run whose rewards, losses or weights are no longer finite, so that the
    checkpoint before is the last.

    Args:
        folder: the run folder.
        identity: what tells this run from others.
        every: iterations from one checkpoint to the next; 0 for none.
        rows: the logger's writer of rows.
        recorder: writes the episodes.
        log_state: returns where all that is written ends, by name.
        request: may ask to stop.
        found: the checkpoint that the run goes on from.
    """

    def __init__(
        self,
        folder: Path,
        identity: Mapping[str, Any],
        every: int,
        rows: IterationWriter,
        recorder: StreamRecorder,
        log_state: Callable[[], dict[str, Any]],
        request: StopRequest,
        found: Found | None = None,
    ) -> None:
        super().__init__()
        self._folder = folder
        self._identity = dict(identity)
        self._every = every
        self._rows = rows
        self._recorder = recorder
        self._log_state = log_state
        self._request = request
        extra = {} if found is None else found.tree["extra"]
        self.cost = Cost(*extra.get("cost", ()))
        self._seconds_before = float(extra.get("seconds", 0.0))
        self._started = time.perf_counter()
        self._seen = rows.iteration
        self._saved_at = -1 if found is None else int(extra["steps"])

    @property
    def seconds(self) -> float:
        """How long the run has learned, with the time before it was started again."""
        return self._seconds_before + time.perf_counter() - self._started

    def finish(self) -> None:
        """Save the end of the run, so that a longer one can go on from it."""
        self._require_finite()
        if self._every and (keeps_worlds(self.model) or self._is_due()):
            self._save()

    def _on_step(self) -> bool:
        rewards = self.locals.get("rewards")
        if rewards is not None and not np.isfinite(rewards).all():
            raise Diverged(f"iteration {self._rows.iteration + 1}: a reward is not finite")
        return True

    def _on_rollout_start(self) -> None:
        if self._rows.iteration != self._seen:
            self._seen = self._rows.iteration
            self._require_finite()
            if self._every and self._is_due():
                self._save()
        if self._request.number is not None:
            if self._every and keeps_worlds(self.model):
                self._require_finite()
                self._save()
            self._request.obey()

    def _is_due(self) -> bool:
        return self._rows.iteration % self._every == 0

    def _save(self) -> None:
        if self._saved_at == self.model.num_timesteps:
            return
        began = time.perf_counter()
        extra = {
            "identity": self._identity,
            "steps": self.model.num_timesteps,
            **self._log_state(),
            "cost": tuple(self.cost),
            "seconds": self.seconds,
        }
        size = save_checkpoint(self.model, self._folder / CHECKPOINT, extra)
        self._saved_at = self.model.num_timesteps
        if not keeps_worlds(self.model):
            self._recorder.begin_anew()
        self.cost = self.cost.plus(time.perf_counter() - began, size)

    def _require_finite(self) -> None:
        where = f"iteration {self._rows.iteration}"
        for tag, value in self._rows.last.items():
            if tag.startswith("train/") and "loss" in tag and not np.isfinite(value):
                raise Diverged(f"{where}: {tag} is not finite")
        for name, parameter in self.model.policy.named_parameters():
            if not torch.isfinite(parameter).all():
                raise Diverged(f"{where}: the weights {name} are not finite")


def find_checkpoint(folder: Path, identity: Mapping[str, Any]) -> Found | None:
    """Return the checkpoint that a run can go on from, or None where there is none at all.

    Args:
        folder: the run folder.
        identity: what tells this run from others.

    Raises:
        SettingsError: the folder holds another run, or checkpoints of which none is whole.
    """
    _require_same(folder / run.CONFIG, _read_config(folder), identity)
    path = folder / CHECKPOINT
    if not CheckpointFolder(path).numbers():
        return None
    try:
        found = read_checkpoint(path)
        extra = found.tree["extra"]
        _require_same(path, extra["identity"], identity)
        _ = int(extra["steps"]), Cost(*extra["cost"]), float(extra["seconds"])
        _ = int(extra["logger"]["rows"]["iteration"]), extra["recorder"]["table"]
        _ = extra["evaluation"]["table"], extra["card"]["iteration"]
    except SettingsError as error:
        raise SettingsError(f"{error}; move {folder} away to begin again") from error
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise SettingsError(f"the checkpoint in {path} is not that of a run") from error
    for sentence in found.damaged:
        print(f"everlearn: {sentence}; the checkpoint before it is used", file=sys.stderr)
    return found


def plain(data: Mapping[str, Any]) -> Any:
    """Return data as JSON gives it back.

    Args:
        data: what JSON can hold.
    """
    return json.loads(json.dumps(data))


def _read_config(folder: Path) -> dict[str, Any] | None:
    file = folder / run.CONFIG
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        sentence = str(error).split("\n")[0]
        raise SettingsError(f"the configuration {file} cannot be read: {sentence}") from error
    if not isinstance(config, dict):
        raise SettingsError(f"the configuration {file} cannot be read: it holds no settings")
    return config


def _require_same(place: Path, found: Any, identity: Mapping[str, Any]) -> None:
    """Raise, naming the differences, unless a configuration is that of a run."""
    if found is None:
        return
    theirs, ours = (dict(_flatten(data)) for data in (found, plain(identity)))
    known = {name: theirs[name] for name in theirs if name in ours or name.split(".")[0] in ours}
    names = [name for name in {**ours, **known} if repr(ours.get(name)) != repr(theirs.get(name))]
    if names:
        shown = ", ".join(
            f"{name} is {theirs.get(name)!r} there and {ours.get(name)!r} here"
            for name in names[:5]
        )
        raise SettingsError(f"{place} is of another run: {shown}")


def _flatten(data: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the entries of nested dictionaries and lists, by dotted names."""
    if isinstance(data, Mapping):
        entries: Any = data.items()
    elif isinstance(data, (list, tuple)):
        entries = enumerate(data)
    else:
        yield name, data
        return
    for key, value in entries:
        yield from _flatten(value, f"{name}.{key}" if name else str(key))
