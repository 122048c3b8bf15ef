"""Whatever happens to its files, a folder gives back a whole checkpoint, or says why not."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everlearn.agents import PPO, load_checkpoint, save_checkpoint
from everlearn.agents.checkpoint import folder as checkpoint_folder
from everlearn.agents.checkpoint import tree as tree_module
from everlearn.agents.checkpoint.folder import CheckpointFolder, Written
from everlearn.agents.checkpoint.replay import get_buffer_state, set_buffer_state
from everlearn.agents.checkpoint.tree import CheckpointError, read_tree, to_chunks
from everlearn.agents.replay.buffers import LeanReplayBuffer

TREE: dict[str, Any] = {
    "numbers": [1, -2.5, float("inf"), True, None, "text", 2**100],
    "pair": (1, ("a", [2])),
    "by_number": {0: "zero", 1: {"$": "odd"}},
    "array": np.arange(6, dtype=np.int16).reshape(2, 3),
    "empty": np.empty((0, 3)),
    "letters": np.array([b"ab", b"c"]),
    "flag": np.bool_(True),
    "tensor": torch.arange(3.0),
}


class Crash(BaseException):
    """The end of the process."""


class Failing:
    """The system's calls, of which one and all that follow fail; a write happens by half."""

    NAMES = ("open", "write", "fsync", "replace", "unlink", "makedirs", "close", "listdir")

    def __init__(self, after: int, error: BaseException) -> None:
        self.calls = 0
        self._after, self._error = after, error

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return partial(self._call, name, real) if name in self.NAMES else real

    def _call(self, name: str, real: Callable[..., Any], *given: Any, **named: Any) -> Any:
        self.calls += 1
        if self.calls <= self._after:
            return real(*given, **named)
        if name == "write" and self.calls == self._after + 1:
            real(given[0], given[1][: len(given[1]) // 2])
        if name == "close":
            real(*given)
        raise self._error


def write(folder: CheckpointFolder, number: int, before: Written | None) -> Written:
    rows = {"end": number * 10, "values": np.full(5, number)}
    tree = {**TREE, "number": number, "array": np.full(3, number)}
    return folder.write(tree, rows, before, (number - 3) * 10)


def require_whole(folder: CheckpointFolder, allowed: set[int]) -> None:
    found = folder.read()
    number = found.tree["number"]
    assert number in allowed
    assert (found.tree["array"] == number).all()
    ends = [rows["end"] for rows in found.rows]
    assert ends == [end for end in range(10, number * 10 + 1, 10) if end > (number - 3) * 10]
    assert all((rows["values"] == rows["end"] // 10).all() for rows in found.rows)


def test_a_tree_comes_back_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"".join(to_chunks(TREE)))
    tree, _ = read_tree(tmp_path / "file")
    assert torch.equal(tree["tensor"], TREE["tensor"])
    for name in TREE.keys() - {"tensor"}:
        np.testing.assert_equal(tree[name], TREE[name])
    assert [type(value) for value in tree.values()] == [type(value) for value in TREE.values()]
    assert tree["array"].dtype == np.int16


@pytest.mark.parametrize("value", [object(), {1, 2}, np.array([object()]), len, b"bytes"])
def test_what_is_no_plain_data_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="a checkpoint holds"):
        list(to_chunks({"value": value}))


def test_a_file_may_be_larger_than_the_memory_that_a_process_may_have(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    (tmp_path / "file").touch()
    os.truncate(tmp_path / "file", 1 << 36)
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (1 << 34, limits[1]))
    try:
        raw = tree_module._map(tmp_path / "file", 1 << 36)
        assert (raw[-1], raw.flags.writeable) == (0, False)
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, limits)


def test_a_crash_at_every_call_leaves_a_whole_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = 0
    for n_before in range(1, 10):
        for after in range(10_000):
            folder = CheckpointFolder(tmp_path / f"{n_before}_{after}")
            written = None
            for number in range(1, n_before + 1):
                written = write(folder, number, written)
            failing = Failing(after, Crash())
            with monkeypatch.context() as patch:
                patch.setattr(checkpoint_folder, "os", failing)
                try:
                    write(folder, n_before + 1, written)
                except Crash:
                    points += 1
                else:
                    break
            require_whole(folder, {n_before, n_before + 1})
            # Started again, the run takes what it finds and goes on.
            found = folder.read()
            number = found.tree["number"] + 1
            write(folder, number, found.written)
            require_whole(folder, {number})
            kept = os.listdir(folder.path)
            assert sum(name.endswith(".state") for name in kept) == 2
            assert not any(name.endswith(".tmp") for name in kept)
    assert points >= 200


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_disk_that_refuses_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    folder = CheckpointFolder(tmp_path)
    written = write(folder, 1, None)
    for after in (1, 3, 8):
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint_folder, "os", Failing(after, OSError(code, "no room")))
            with pytest.raises(CheckpointError, match=r"cannot write .*: no room; the one before"):
                write(folder, 2, written)
        require_whole(folder, {1})


def test_a_full_disk_is_told_in_a_sentence(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    folder = CheckpointFolder(tmp_path)
    written = write(folder, 1, None)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        with pytest.raises(CheckpointError, match=r"cannot write a checkpoint in .*File too large"):
            folder.write({"array": np.zeros(10_000)}, None, written)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    require_whole(folder, {1})
    assert not list(tmp_path.glob(".*"))


def damage(file: Path, how: str) -> None:
    data = bytearray(file.read_bytes())
    if how == "missing":
        file.unlink()
        return
    if how == "cut":
        del data[len(data) // 2 :]
    elif how == "empty":
        data.clear()
    elif how == "flipped":
        data[len(data) // 2] ^= 4
    elif how == "other version":
        data[len(b"everlearn checkpoint ")] = ord("7")
    file.write_bytes(bytes(data))


@pytest.mark.parametrize("kind", ["state", "rows"])
@pytest.mark.parametrize("how", ["missing", "cut", "empty", "flipped", "other version"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    tmp_path: Path, how: str, kind: str
) -> None:
    folder = CheckpointFolder(tmp_path)
    written = None
    for number in (1, 2, 3):
        written = write(folder, number, written)
    damage(tmp_path / f"00000003.{kind}", how)
    names = sorted(os.listdir(tmp_path))
    require_whole(folder, {2})
    assert sorted(os.listdir(tmp_path)) == names
    found = folder.read()
    assert len(found.damaged) == (0 if (how, kind) == ("missing", "state") else 1)
    after = write(folder, 3, found.written)
    assert after.number > 2
    require_whole(folder, {3})


def test_where_all_are_damaged_the_sentence_says_so(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    with pytest.raises(CheckpointError, match="there is no checkpoint in"):
        folder.read()
    write(folder, 1, None)
    damage(tmp_path / "00000001.state", "flipped")
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* can be used: .* is damaged"):
        folder.read()


def sealed(header: Any, arrays: bytes = b"") -> bytes:
    """Return a file whose checksum is right, whatever it says."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    body = b"everlearn checkpoint 1\n" + struct.pack("<Q", len(text)) + text + arrays
    return body + hashlib.sha256(body).digest()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["$", "of", "tree", "arrays", "rows", "file", "sha256", "end"])
            | st.text(max_size=4),
            inner | st.sampled_from(["tuple", "dict", "array", "tensor", "scalar"]),
            max_size=5,
        )
    ),
    max_leaves=12,
)


def check_header(folder: Path, header: Any, arrays: bytes) -> None:
    outside = set(os.listdir(folder.parent))
    (folder / "00000001.state").write_bytes(sealed(header, arrays))
    with suppress(CheckpointError):
        CheckpointFolder(folder).read()
    assert os.listdir(folder) == ["00000001.state"]
    assert set(os.listdir(folder.parent)) == outside


@pytest.mark.parametrize(
    "examples", [300, pytest.param(100_000, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_no_header_brings_more_than_a_sentence(tmp_path: Path, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, database=None)
    @given(header=JSON | st.binary(max_size=60), arrays=st.binary(max_size=40))
    def check(header: Any, arrays: bytes) -> None:
        check_header(tmp_path, header, arrays)

    check()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_state_brings_an_agent_more_than_a_sentence(tmp_path: Path, data: Any) -> None:
    """A state with one of its entries replaced, under a right checksum."""
    agent = make_agent()
    folder = tmp_path / "checkpoint"
    if not folder.exists():
        agent.learn(8)
        save_checkpoint(agent, folder)
    (file,) = folder.glob("*.state")
    state, _ = read_tree(file)
    node = state["tree"]
    while True:
        key = data.draw(st.sampled_from(sorted(node, key=str)))
        if not isinstance(node[key], dict) or not node[key] or data.draw(st.booleans()):
            break
        node = node[key]
    node[key] = data.draw(JSON)
    other = tmp_path / "other"
    other.mkdir(exist_ok=True)
    (other / file.name).write_bytes(b"".join(to_chunks(state)))
    with suppress(CheckpointError):
        load_checkpoint(other, agent)


def test_a_checkpoint_of_another_agent_is_refused(tmp_path: Path) -> None:
    agent = make_agent()
    save_checkpoint(agent, tmp_path)
    other = make_agent("MountainCar-v0")
    with pytest.raises(CheckpointError, match="does not fit the agent: its observation space is"):
        load_checkpoint(tmp_path, other)
    other = make_agent(policy_kwargs={"net_arch": [7]})
    with pytest.raises(
        CheckpointError, match=r"does not fit the agent: Error.* loading state_dict"
    ):
        load_checkpoint(tmp_path, other)


def make_agent(world: str = "CartPole-v1", **settings: Any) -> PPO:
    return PPO(
        "MlpPolicy",
        world,
        n_steps=8,
        batch_size=8,
        seed=0,
        device="cpu",
        backend="reference",
        **settings,
    )


def add(buffer: LeanReplayBuffer, generator: np.random.Generator) -> None:
    """Add a step that does not always begin where the one before ended."""
    newest = buffer.slots[buffer.n_added % len(buffer.slots)]
    ended = generator.random(2) < 0.3
    begin = np.where(ended[:, None], generator.normal(size=(2, 3)), newest)
    infos = [{"TimeLimit.truncated": bool(flag)} for flag in ended]
    after = generator.normal(size=(2, 3))
    rewards = generator.normal(size=2)
    buffer.add(begin, after, generator.normal(size=(2, 1)), rewards, ended, infos)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 25), min_size=1, max_size=6), st.integers(0, 1000))
def test_a_ring_is_put_back_from_its_new_rows(counts: list[int], seed: int) -> None:
    space = spaces.Box(-1, 1, (3,))
    make = partial(LeanReplayBuffer, 20, space, spaces.Box(-1, 1, (1,)), device="cpu", n_envs=2)
    buffer, generator = make(), np.random.default_rng(seed)
    pieces: list[dict[str, Any]] = []
    saved = 0
    for count in counts:
        for _ in range(count):
            add(buffer, generator)
        oldest = buffer.n_added - buffer.buffer_size
        pieces = [piece for piece in pieces if piece["end"] > oldest]
        if buffer.n_added > saved:
            rows = {name: np.array(value) for name, value in buffer.get_rows(saved).items()}
            assert len(rows["rewards"]) == min(buffer.n_added - saved, buffer.buffer_size)
            pieces, saved = [*pieces, rows], buffer.n_added
    other = make()
    set_buffer_state(other, get_buffer_state(buffer), pieces)
    for _ in range(2):
        if buffer.n_added:
            np.random.seed(seed)
            ours = buffer.sample(50)
            np.random.seed(seed)
            theirs = other.sample(50)
            for mine, its in zip(ours, theirs, strict=True):
                if mine is not None and its is not None:
                    assert torch.equal(mine, its)
        twins = np.random.default_rng(seed), np.random.default_rng(seed)
        for _ in range(7):
            add(buffer, twins[0])
            add(other, twins[1])
