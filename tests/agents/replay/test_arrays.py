"""Replay buffers in memory-mapped files: they are those in memory, but for where they lie."""

from __future__ import annotations

import mmap
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stable_baselines3
import torch
from gymnasium import spaces

from everlearn.agents import SAC, load_checkpoint, save_checkpoint
from everlearn.agents.checkpoint import folder as checkpoint_folder
from everlearn.agents.replay.arrays import make_arrays
from everlearn.agents.replay.buffers import LeanReplayBuffer
from everlearn.agents.replay.mixed import MixedReplayBuffer
from everlearn.agents.replay.per_task import TaskReplayBuffer
from everlearn.agents.replay.reservoir import ReservoirReplayBuffer
from everlearn.agents.replay.shifted import ShiftedReplayBuffer
from everlearn.agents.replay.transitions import Transitions
from everlearn.wrappers.errors import SettingsError

IMAGES = spaces.Box(0, 255, (1, 8, 8), np.uint8)
ACTION = spaces.Box(-1, 1, (2,))
KINDS: dict[str, Any] = {
    "newest": (LeanReplayBuffer, {}),
    "three steps": (LeanReplayBuffer, {"n_steps": 3}),
    "mixed": (MixedReplayBuffer, {}),
    "shifted": (ShiftedReplayBuffer, {"shift": 2}),
    "reservoir": (ReservoirReplayBuffer, {}),
    "per-task": (TaskReplayBuffer, {"task_size": 12}),
}


def earlier() -> Transitions:
    image, ones = np.ones((9, 1, 8, 8), np.uint8), np.ones(9, np.float32)
    return Transitions(image, np.ones((9, 2), np.float32), ones, image, ones > 2, ones > 2)


def is_mapped(array: Any) -> bool:
    """Tell whether an array lies in a memory-mapped file."""
    while array is not None:
        if isinstance(array, mmap.mmap):
            return True
        # A view of it, or the view's own memory.
        array = getattr(array, "base", getattr(array, "obj", None))
    return False


def arrays_of(buffer: Any) -> list[np.ndarray]:
    """Return the arrays in which a buffer keeps what the agent lives."""
    tables = getattr(buffer, "tables", {}).values()
    columns = [column for table in tables for column in (*table.columns.values(), table.numbers)]
    own = vars(getattr(buffer, "own", buffer)).values()
    return columns + [value for value in own if isinstance(value, np.ndarray)]


@pytest.mark.parametrize("kind", KINDS)
def test_samples_are_those_of_arrays_in_memory(kind: str, tmp_path: Path) -> None:
    cls, own = KINDS[kind]
    if cls is MixedReplayBuffer:
        own = {**own, "sources": {"earlier": earlier()}}
    buffers = [
        cls(40, IMAGES, ACTION, "cpu", n_envs=2, memmap_folder=folder, **own)
        for folder in (None, tmp_path)
    ]
    random = np.random.default_rng(0)
    for number in range(60):
        begin, end = random.integers(0, 256, (2, 2, 1, 8, 8), np.uint8)
        done = random.random(2) < 0.2
        info = {"context": {"task": number // 30}, "TimeLimit.truncated": number % 3 == 0}
        action, reward = random.uniform(-1, 1, (2, 2)), random.normal(size=2)
        drawn = []
        for buffer in buffers:
            buffer.add(begin, end, action, reward, done, [info] * 2)
            np.random.seed(number)
            drawn.append(buffer.sample(30))
        for one, other in zip(*drawn, strict=True):
            assert one is other is None or torch.equal(one, other)
    assert [all(map(is_mapped, arrays_of(buffer))) for buffer in buffers] == [False, True]
    assert len(arrays_of(buffers[1])) >= 6
    # The file has no name, so that none is left, and none can be taken for another's.
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_buffer(tmp_path: Path) -> None:
    space = spaces.Box(0, 255, (3, 64, 64), np.uint8)
    image = np.full((1, 3, 64, 64), 7, np.uint8)
    sizes, traced = (300, 1200), []
    for size in sizes:
        tracemalloc.start()
        buffer = LeanReplayBuffer(size, space, ACTION, "cpu", memmap_folder=tmp_path)
        # The ring has begun anew, so that its rows lie in two parts.
        for _ in range(size + 100):
            buffer.add(image, image, np.zeros((1, 2)), np.zeros(1), np.zeros(1), [{}])
        assert buffer.sample(8).observations.float().mean() == 7
        checkpoints = checkpoint_folder.CheckpointFolder(tmp_path / str(size))
        checkpoints.write(buffer.get_state(), buffer.get_rows(0))
        found = checkpoints.read()
        buffer.set_state(found.tree, found.rows)
        traced.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert buffer.slots.nbytes > 14e6
    assert max(traced) < 4e6
    assert traced[1] - traced[0] < 0.2e6


@pytest.mark.parametrize("written", [0, 1])
def test_what_was_lived_after_a_checkpoint_does_not_come_back(
    written: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sac: Callable[..., SAC]
) -> None:
    """Steps overwrite the whole map, and the next checkpoint ends before its last file."""

    def end(folder: Any, name: str, chunks: Any) -> tuple[int, str]:
        if name.endswith(("rows", "state")[written]):
            raise KeyboardInterrupt
        return write(folder, name, chunks)

    mapped: Any = {"replay_buffer_kwargs": {"memmap_folder": tmp_path}}
    whole, ended = sac().learn(180), sac(**mapped)
    for steps in (40, 60):
        ended.learn(steps, reset_num_timesteps=False)
        save_checkpoint(ended, tmp_path / "checkpoint")
    ended.learn(80, reset_num_timesteps=False)
    write = checkpoint_folder.CheckpointFolder._write
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_folder.CheckpointFolder, "_write", end)
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(ended, tmp_path / "checkpoint")
    again = sac(**mapped)
    load_checkpoint(tmp_path / "checkpoint", again)
    assert again.num_timesteps == 100
    again.learn(80, reset_num_timesteps=False)
    for mine, its in zip(again.policy.parameters(), whole.policy.parameters(), strict=True):
        assert torch.equal(mine, its)
    assert again._n_updates == whole._n_updates > 20


def test_in_a_script_of_stable_baselines3(tmp_path: Path) -> None:
    def learn(**own: Any) -> torch.Tensor:
        agent = stable_baselines3.SAC(
            "MlpPolicy", "Pendulum-v1", learning_starts=20, batch_size=8, seed=0, device="cpu",
            buffer_size=30, policy_kwargs={"net_arch": [8]}, **own,
        ).learn(60)  # fmt: skip
        return torch.cat([parameter.flatten() for parameter in agent.policy.parameters()])

    own = {"memmap_folder": tmp_path}
    mapped = learn(replay_buffer_class=LeanReplayBuffer, replay_buffer_kwargs=own)
    assert torch.equal(learn(), mapped)


def test_the_zip_knows_no_folder(tmp_path: Path, sac: Callable[..., SAC]) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir()
    agent = sac(replay_buffer_kwargs={"memmap_folder": folder})
    agent.save(tmp_path / "model.zip")
    assert agent.replay_buffer_kwargs == {"memmap_folder": folder}
    folder.rmdir()
    loaded: Any = SAC.load(tmp_path / "model.zip", device="cpu")
    assert not is_mapped(loaded.replay_buffer.slots)


def test_what_cannot_be(tmp_path: Path, sac: Callable[..., SAC]) -> None:
    kind = {"rewards": ((1000, 1000), np.float32)}
    with pytest.raises(SettingsError, match=r"cannot map 4.0 MB of .* no/such: No such file or"):
        make_arrays(kind, "no/such")
    with pytest.raises(SettingsError, match=r"no memory for 4,000,000,000,000.0 MB of replay"):
        make_arrays({"rewards": ((10**9, 10**9), np.float32)})
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        with pytest.raises(SettingsError, match=r"cannot map 4.0 MB of .*: File too large"):
            make_arrays(kind, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with pytest.raises(SettingsError, match="memmap_folder needs observations of one array"):
        sac(replay_buffer_kwargs={"memmap_folder": tmp_path}, optimize_memory_usage=True)
