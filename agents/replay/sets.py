"""Collected sets in minari's format: written, and read as transitions."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, final

import numpy as np
from gymnasium import spaces

from ...wrappers.errors import SettingsError
from .arrays import make_arrays
from .transitions import Transitions

DATA = "data"
"""The folder in a set's folder that holds minari's files."""

_METADATA = "metadata.json"


@final
@dataclass(frozen=True)
class Episode:
    """An episode, or as much of it as was lived."""

    observations: np.ndarray
    """One more than actions, of shape (steps + 1, *observation)."""

    actions: np.ndarray
    """As worlds take them, of shape (steps, *action)."""

    rewards: np.ndarray
    """Of shape (steps,)."""

    terminated: bool
    """Whether it ended for good; else it was cut off."""

    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What is to be known of it, by names."""


def is_set(folder: str | Path) -> bool:
    """Tell whether a folder holds a collected set.

    Args:
        folder: a set's folder, or minari's in it.
    """
    return _data(folder) is not None


def write_set(
    folder: str | Path,
    episodes: Sequence[Episode],
    observation_space: spaces.Space,
    action_space: spaces.Space,
    metadata: Mapping[str, Any],
) -> None:
    """Write a set in minari's format (HDF5).

    `minari.MinariDataset(folder + "/data")` opens it, and so does `minari.load_dataset` where the
    folder lies in `MINARI_DATASETS_PATH`.

    Args:
        folder: the set's; there must be none.
        episodes: at least one.
        observation_space: of the worlds.
        action_space: of the worlds.
        metadata: what is to be known of the set, as JSON can hold it.

    Raises:
        SettingsError: the folder is there, it cannot be written, or minari is missing.
    """
    minari = _minari()
    folder = Path(folder)
    if folder.exists():
        raise SettingsError(f"there is a {folder} already: move it away, or name another folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # minari loses its way in relative paths.
        parent = folder.parent.absolute()
        beside = Path(tempfile.mkdtemp(dir=parent, prefix=f".{folder.name}."))
    except OSError as error:
        reason = error.strerror or error
        raise SettingsError(f"cannot write the set {folder}: {reason}") from error
    try:
        storage_class = import_module("minari.dataset.minari_storage").MinariStorage
        storage = storage_class.new(
            beside / DATA, observation_space=observation_space, action_space=action_space
        )
        buffers = [_buffer(number, episode) for number, episode in enumerate(episodes)]
        storage.update_episodes(buffers)
        storage.update_episode_metadata([dict(episode.metadata) for episode in episodes])
        own = {"dataset_id": f"{folder.name}-v0", "minari_version": minari.__version__}
        storage.update_metadata({**own, **metadata})
        beside.chmod(0o755)
        os.replace(beside, folder)
    except OSError as error:
        reason = error.strerror or error
        raise SettingsError(f"cannot write the set {folder}: {reason}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def read_metadata(folder: str | Path) -> dict[str, Any]:
    """Return what is known of a set.

    Args:
        folder: the set's, or minari's in it.

    Raises:
        SettingsError: it is none, or minari is missing.
    """
    return dict(_open(folder).metadata)


def read_set(
    folder: str | Path,
    observation_space: spaces.Space | None = None,
    action_space: spaces.Space | None = None,
    memmap_folder: str | Path | None = None,
) -> Transitions:
    """Return the transitions of a set in minari's format, its episodes one after the other.

    They are copied, episode by episode: minari writes HDF5 in chunks, which no map reads.

    Args:
        folder: the set's, or minari's in it; of any maker.
        observation_space: what it must fit, if given.
        action_space: what it must fit, if given.
        memmap_folder: a folder on whose disk they are to lie, in a memory-mapped file, as for
            `make_arrays`; None for memory.

    Raises:
        SettingsError: it is no such set, its spaces are others, or minari is missing.
    """
    storage = _open(folder)
    theirs = {"observation": storage.observation_space, "action": storage.action_space}
    for name, ours in (("observation", observation_space), ("action", action_space)):
        found = theirs[name]
        if not isinstance(found, spaces.Box) or (ours is not None and found.shape != ours.shape):
            wanted = "a Box" if ours is None else ours
            raise SettingsError(f"the {name} space of the set {folder} is {found}, not {wanted}")
    actions = action_space or storage.action_space
    assert isinstance(actions, spaces.Box)
    try:
        episodes = storage.get_episodes(range(storage.total_episodes))
        parts = (_columns(episode, actions) for episode in episodes)
        found = _fill(parts, int(storage.total_steps), memmap_folder)
    except SettingsError:
        raise
    except (OSError, LookupError, ValueError, TypeError) as error:
        raise SettingsError(f"the set {folder} cannot be read: {error}") from error
    if found is None:
        raise SettingsError(f"the set {folder} has no episodes")
    return found


def _fill(
    parts: Iterable[tuple[np.ndarray, ...]], n_steps: int, memmap_folder: str | Path | None
) -> Transitions | None:
    """Return the columns of all episodes, one after the other, or None where there is none."""
    arrays: list[np.ndarray] = []
    done = 0
    for part in parts:
        if not arrays:
            kinds = {str(i): ((n_steps, *c.shape[1:]), c.dtype) for i, c in enumerate(part)}
            arrays = list(make_arrays(kinds, memmap_folder).values())
        stop = done + len(part[0])
        for array, column in zip(arrays, part, strict=True):
            array[done:stop] = column
        done = stop
    if done != n_steps:
        raise ValueError(f"it has {done} steps, and says that it has {n_steps}")
    return Transitions(*arrays) if arrays else None


def _columns(episode: Mapping[str, Any], space: spaces.Box) -> tuple[np.ndarray, ...]:
    rewards = np.asarray(episode["rewards"], np.float32)
    observations = np.asarray(episode["observations"])
    if observations.dtype == np.float64:
        observations = observations.astype(np.float32)
    actions = np.asarray(episode["actions"], np.float32).reshape(len(rewards), -1)
    low, high = space.low.reshape(-1), space.high.reshape(-1)
    actions = (2 * (actions - low) / (high - low) - 1).astype(np.float32)
    terminals = np.asarray(episode["terminations"], np.bool_)
    ends = terminals | np.asarray(episode["truncations"], np.bool_)
    ends[-1] = True
    return observations[:-1], actions, rewards, observations[1:], terminals, ends


def _buffer(number: int, episode: Episode) -> Any:
    steps = len(episode.rewards)
    ends = np.arange(steps) == steps - 1
    return import_module("minari.data_collector.episode_buffer").EpisodeBuffer(
        id=number,
        observations=episode.observations,
        actions=episode.actions,
        rewards=episode.rewards,
        terminations=ends & episode.terminated,
        truncations=ends & (not episode.terminated),
        infos={},
    )


def _data(folder: str | Path) -> Path | None:
    for path in (Path(folder).absolute(), Path(folder).absolute() / DATA):
        if (path / _METADATA).is_file():
            return path
    return None


def _open(folder: str | Path) -> Any:
    path = _data(folder)
    if path is None:
        raise SettingsError(f"there is no collected set in {folder}")
    _minari()
    try:
        return import_module("minari.dataset.minari_storage").MinariStorage.read(path)
    except (OSError, ValueError, KeyError, AssertionError) as error:
        raise SettingsError(f"the set {folder} cannot be read: {error}") from error


def _minari() -> Any:
    try:
        return import_module("minari")
    except ImportError as error:
        raise SettingsError(
            "collected sets need minari: pip install 'everlearn[offline]'"
        ) from error
