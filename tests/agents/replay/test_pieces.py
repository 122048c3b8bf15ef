"""Sources of replay that stay in their files."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from everlearn.agents.checkpoint.folder import CheckpointFolder, Written
from everlearn.agents.replay.buffers import LeanReplayBuffer
from everlearn.agents.replay.lean_state import as_transitions
from everlearn.agents.replay.mixed import MixedReplayBuffer
from everlearn.agents.replay.pieces import Pieces, blocks
from everlearn.agents.replay.sources import read_sources
from everlearn.agents.replay.transitions import Transitions, join
from everlearn.wrappers.errors import SettingsError

SPACE = spaces.Box(-1, 1, (3,))
ACTION = spaces.Box(-1, 1, (2,))
NAMES = ("observations", "actions", "rewards", "next_observations", "terminals", "ends")


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6), st.data())
def test_pieces_are_the_array_that_they_make(sizes: list[int], data: Any) -> None:
    parts = [np.random.default_rng(size).normal(size=(size, 2)) for size in sizes]
    pieces, whole = Pieces([Pieces(parts[:1]), *parts[1:]]), np.concatenate(parts)
    assert (len(pieces), pieces.shape, pieces.dtype) == (len(whole), whole.shape, whole.dtype)
    assert np.array_equal(np.asarray(pieces), whole)
    assert np.array_equal(pieces[1:-1], whole[1:-1])
    rows = data.draw(
        st.lists(st.integers(0, len(whole) - 1), max_size=9) if len(whole) else st.just([])
    )
    chosen = np.array(rows, np.int64)
    assert np.array_equal(pieces[chosen], whole[chosen])
    assert np.array_equal(Pieces([pieces], chosen)[::2], whole[chosen][::2])
    for wrong in (np.array([-1]), np.array([True]), np.array([len(whole)])):
        with pytest.raises(IndexError):
            pieces[wrong]


def test_blocks_are_all_rows() -> None:
    array = np.arange(300_000)
    assert len(list(blocks(array))) == 3
    assert np.array_equal(np.concatenate(list(blocks(Pieces([array])))), array)


def live(buffer: LeanReplayBuffer, steps: int, generator: np.random.Generator) -> None:
    """Add steps that do not always begin where the one before ended."""
    shape = (buffer.n_envs, *buffer.obs_shape)
    for _ in range(steps):
        newest = buffer.slots[buffer.n_added % len(buffer.slots)]
        ended = generator.random(buffer.n_envs) < 0.2
        apart = ended.reshape(-1, *[1] * len(buffer.obs_shape))
        begin = np.where(apart, generator.integers(0, 9, shape), newest)
        infos = [{"TimeLimit.truncated": bool(generator.random() < 0.5)} for _ in ended]
        end = generator.integers(0, 9, shape)
        action = generator.normal(size=(buffer.n_envs, 2))
        buffer.add(begin, end, action, generator.normal(size=buffer.n_envs), ended, infos)


def flat(buffer: LeanReplayBuffer) -> Transitions:
    """Return what a buffer holds, out of its arrays."""
    rows = np.arange(buffer.first_needed, buffer.n_added) % buffer.buffer_size
    ends = buffer.dones | buffer.broken
    ends[rows[-1]] = True
    terminals = buffer.dones & ~buffer.timeouts
    arrays = (buffer.observations, buffer.actions, buffer.rewards, buffer.next_observations)
    listed = (array[rows].swapaxes(0, 1) for array in (*arrays, terminals, ends))
    return Transitions(*(array.reshape(-1, *array.shape[2:]) for array in listed))


@pytest.mark.parametrize("counts", [(1,), (7, 2), (20, 1, 30), (3, 17, 9, 9, 2), (45, 45)])
@pytest.mark.parametrize("n_envs", [1, 3])
def test_transitions_are_those_of_the_buffer(n_envs: int, counts: Any, tmp_path: Path) -> None:
    buffer = LeanReplayBuffer(20 * n_envs, SPACE, ACTION, "cpu", n_envs)
    folder, generator = CheckpointFolder(tmp_path), np.random.default_rng(len(counts))
    written, saved = None, 0
    for count in counts:
        live(buffer, count, generator)
        rows, saved = buffer.get_rows(saved), buffer.n_added
        written = folder.write(buffer.get_state(), rows, written, buffer.first_needed)
    found, wanted = folder.read(), flat(buffer)
    lazy = as_transitions(found.tree, found.rows)
    assert isinstance(lazy.observations, Pieces)
    for name in NAMES:
        assert np.array_equal(getattr(lazy, name), getattr(wanted, name)), name
    assert lazy.digest == wanted.digest
    joined = join([lazy, wanted])
    assert np.array_equal(joined.next_observations, np.tile(wanted.next_observations, (2, 1)))
    with pytest.raises(ValueError, match="steps of the replay buffer are missing"):
        as_transitions(found.tree, found.rows[:-1])


def write_run(folder: Path, size: int, space: spaces.Box) -> None:
    """Write the checkpoint of a run that lived some steps."""
    buffer = LeanReplayBuffer(size, space, ACTION, "cpu")
    live(buffer, size, np.random.default_rng(0))
    described = {"copies": 1, "observation_space": str(space), "action_space": str(ACTION)}
    tree = {"agent": described, "learner": {"replay": buffer.get_state()}}
    CheckpointFolder(folder / "checkpoint").write(tree, buffer.get_rows(0))


def test_a_source_is_not_read_into_memory(tmp_path: Path) -> None:
    space = spaces.Box(0, 255, (3, 48, 48), np.uint8)
    write_run(tmp_path, 1400, space)
    assert sum(file.stat().st_size for file in tmp_path.glob("*/*")) > 9.6e6
    np.random.seed(0)
    tracemalloc.start()
    source = read_sources(tmp_path, space, ACTION)
    buffer = MixedReplayBuffer(
        10, space, ACTION, "cpu", sources={"earlier": [tmp_path, tmp_path]}, n_steps=3
    )
    live(buffer.own, 10, np.random.default_rng(1))
    drawn = buffer.sample(8)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(source) == 1400
    assert drawn.observations.shape == (8, 3, 48, 48)
    # Some blocks of a megabyte that are digested, however large the source is.
    assert peak < 6e6


def test_a_run_that_lacks_rows_is_refused(tmp_path: Path) -> None:
    buffer = LeanReplayBuffer(20, SPACE, ACTION, "cpu")
    live(buffer, 9, np.random.default_rng(0))
    described = {"copies": 1, "observation_space": str(SPACE), "action_space": str(ACTION)}
    tree = {"agent": described, "learner": {"replay": buffer.get_state()}}
    CheckpointFolder(tmp_path).write(tree, buffer.get_rows(4))
    with pytest.raises(SettingsError, match=r"cannot take experience from .*: steps of the replay"):
        read_sources(tmp_path, SPACE, ACTION)


def test_a_buffer_may_lie_in_more_files_than_can_be_open(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    buffer = LeanReplayBuffer(400, SPACE, ACTION, "cpu")
    folder, generator = CheckpointFolder(tmp_path), np.random.default_rng(0)
    written: Written | None = None
    for saved in range(40):
        live(buffer, 1, generator)
        written = folder.write(buffer.get_state(), buffer.get_rows(saved), written)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/dev/fd")) + 20, limits[1]))
    try:
        found = folder.read()
        again = LeanReplayBuffer(400, SPACE, ACTION, "cpu")
        again.set_state(found.tree, found.rows)
        assert len(as_transitions(found.tree, found.rows)) == again.n_added == 40
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
