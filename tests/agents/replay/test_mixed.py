from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from everlearn.agents import SAC, load_checkpoint, save_checkpoint
from everlearn.agents.checkpoint import CheckpointError
from everlearn.agents.replay.lean_state import as_transitions
from everlearn.agents.replay.mixed import MixedReplayBuffer
from everlearn.agents.replay.per_task import TaskReplayBuffer
from everlearn.agents.replay.reservoir import ReservoirReplayBuffer
from everlearn.agents.replay.sources import read_sources
from everlearn.agents.replay.transitions import Transitions, join
from everlearn.wrappers.errors import SettingsError

SPACE = spaces.Box(-1, 1, (2,))
ROW = np.zeros((1, 2))


def transitions(reward: float, n: int = 20) -> Transitions:
    """Return a sequence with one reward, whose observations count."""
    counted = np.arange(n, dtype=np.float32)
    begin, end = (np.stack([c, c], axis=1) for c in (counted, counted + 1))
    last = counted == n - 1
    return Transitions(begin, begin * 0, np.full(n, reward, np.float32), end, last & False, last)


def filled(n: int = 30, **settings: Any) -> MixedReplayBuffer:
    buffer = MixedReplayBuffer(100, SPACE, SPACE, "cpu", **settings)
    for _ in range(n):
        buffer.add(ROW, ROW, ROW, np.zeros(1), np.zeros(1), [{}])
    return buffer


@pytest.mark.parametrize(("share", "batch_size"), [(0.5, 256), (0.5, 255), (0.3, 10), (1.0, 7)])
def test_parts_of_a_batch_are_exact(share: float, batch_size: int) -> None:
    buffer = filled(sources={"earlier": transitions(1)}, shares={"earlier": share})
    for _ in range(5):
        assert buffer.sample(batch_size).rewards.sum() == int(share * batch_size + 1e-9)


def test_half_comes_from_a_single_source() -> None:
    assert filled(sources={"earlier": transitions(1)}).sample(256).rewards.sum() == 128


def test_all_transitions_may_be_drawn_alike() -> None:
    buffer = filled(0, sources={"earlier": transitions(1, 20)}, shares={"earlier": "even"})
    assert buffer.counts(32) == {"earlier": 32}
    for _ in range(60):
        buffer.add(ROW, ROW, ROW, np.zeros(1), np.zeros(1), [{}])
    assert buffer.counts(32) == {"earlier": 8}
    np.random.seed(0)
    # A quarter of 33 is 8.25: the deviation of the mean is 0.014.
    found = [buffer.counts(33)["earlier"] for _ in range(1000)]
    assert set(found) == {8, 9}
    assert np.mean(found) == pytest.approx(8.25, abs=0.06)


def test_scheduled_shares() -> None:
    shares: Any = {"a": [(0, 1.0), (20, 0.0)], "b": [(20, 0.0), (40, 0.5)]}
    buffer = filled(10, sources={"a": transitions(1), "b": transitions(100)}, shares=shares)
    assert buffer.counts(100) == {"a": 50, "b": 0}
    for _ in range(20):
        buffer.add(ROW, ROW, ROW, np.zeros(1), np.zeros(1), [{}])
    assert buffer.sample(100).rewards.sum() == 25 * 100


def test_returns_of_several_steps() -> None:
    buffer = filled(sources={"earlier": transitions(1, n=3)}, n_steps=2, gamma=0.5)
    batch = buffer.sample(100)
    assert batch.discounts is not None
    found = set(zip(batch.rewards[50:, 0].tolist(), batch.discounts[50:, 0].tolist(), strict=True))
    assert found == {(1.5, 0.25), (1.0, 0.5)}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"sources": {}}, "needs at least one source"),
        ({"shares": {"other": 0.5}}, "each source needs a share"),
        ({"shares": {"earlier": 1.5}}, "the share of 'earlier' must be from 0 to 1"),
        ({"shares": {"earlier": [(5, 0.1), (5, 0.2)]}}, "with growing steps"),
        ({"sources": {"earlier": "no/such/folder"}}, "there is no checkpoint in"),
        ({"sources": {"earlier": transitions(1, 0)}}, "at least one transition"),
        (
            {"sources": {"a": transitions(1), "b": transitions(1)}, "shares": {"a": 0.8, "b": 0.4}},
            "sum up to no more than 1|sum to no more than 1, not 1.2",
        ),
    ],
)
def test_what_cannot_be(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        filled(**{"sources": {"earlier": transitions(1)}, **settings})


def test_joined_sources_must_be_alike() -> None:
    one = transitions(1)
    other = Transitions(*([np.zeros((2, 3), np.float32)] * 2), *[np.zeros(2)] * 4)
    with pytest.raises(SettingsError, match=r"observations of shapes \(2,\) and \(3,\)"):
        join([one, other])


KINDS_LATER = ("n-step", "reservoir")


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory, sac: Callable[..., SAC]) -> Path:
    """A folder with what an agent lived, in two pieces."""
    folder = tmp_path_factory.mktemp("earlier")
    agent = sac(seed=5)
    for _ in range(2):
        agent.learn(40, reset_num_timesteps=False)
        save_checkpoint(agent, folder / "checkpoint")
    return folder


def test_a_run_folder_is_all_it_needs(earlier: Path, sac: Callable[..., SAC]) -> None:
    agent = sac(
        replay_buffer_class=MixedReplayBuffer, replay_buffer_kwargs={"sources": {"a": earlier}}
    )
    buffer: Any = agent.replay_buffer
    donor = sac(seed=5)
    fresh = [p.clone() for p in agent.policy.parameters()]
    load_checkpoint(earlier / "checkpoint", donor)
    before = buffer.sources["a"].digest
    lived: Any = donor.replay_buffer
    assert before == as_transitions(lived.get_state(), [lived.get_rows(0)]).digest
    assert len(buffer.sources["a"]) == 60
    agent.learn(60)
    assert buffer.sources["a"].digest == before
    assert not any(
        torch.equal(p, q)
        for p, q in zip(fresh, donor.policy.parameters(), strict=True)
        if p.ndim > 1
    )


def test_other_spaces_are_refused(earlier: Path) -> None:
    with pytest.raises(SettingsError, match="its observation space is Box"):
        read_sources(earlier, SPACE, SPACE)


KINDS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "n-step": lambda folder: {"n_steps": 3},
    "reservoir": lambda folder: {"replay_buffer_class": ReservoirReplayBuffer},
    "per-task": lambda folder: {
        "replay_buffer_class": TaskReplayBuffer,
        "replay_buffer_kwargs": {"task_size": 20, "present_share": 0.5},
    },
    "mixed": lambda folder: {
        "replay_buffer_class": MixedReplayBuffer,
        "replay_buffer_kwargs": {"sources": {"earlier": folder}, "n_steps": 2},
    },
}


@pytest.mark.parametrize(
    "kind", ["mixed", "per-task", *(pytest.param(k, marks=pytest.mark.slow) for k in KINDS_LATER)]
)
def test_learning_goes_on_to_the_last_bit(
    kind: str, earlier: Path, tmp_path: Path, sac: Callable[..., SAC]
) -> None:
    def build() -> SAC:
        return sac(**KINDS[kind](earlier))

    whole = build()
    sizes = []
    for steps in (40, 60, 20, 60):
        whole.learn(steps, reset_num_timesteps=False)
        if whole.num_timesteps < 150:
            sizes.append(save_checkpoint(whole, tmp_path))
    again = build()
    load_checkpoint(tmp_path, again)
    assert again.num_timesteps == 120
    again.learn(60, reset_num_timesteps=False)
    for mine, its in zip(again.policy.parameters(), whole.policy.parameters(), strict=True):
        assert torch.equal(mine, its)
    assert again._n_updates == whole._n_updates > 20


def test_a_source_that_has_changed_is_refused(
    earlier: Path, tmp_path: Path, sac: Callable[..., SAC]
) -> None:
    def build(reward: float) -> SAC:
        source = read_sources(earlier, *spaces_of(sac()))
        source.rewards[:] = reward
        settings = {"sources": {"earlier": source}}
        return sac(replay_buffer_class=MixedReplayBuffer, replay_buffer_kwargs=settings)

    save_checkpoint(build(1).learn(40), tmp_path)
    with pytest.raises(CheckpointError, match="the source 'earlier' of replay is not what it was"):
        load_checkpoint(tmp_path, build(2))


def spaces_of(agent: SAC) -> tuple[spaces.Space, spaces.Space]:
    return agent.observation_space, agent.action_space


def test_the_zip_needs_no_sources(earlier: Path, tmp_path: Path, sac: Callable[..., SAC]) -> None:
    agent = sac(
        replay_buffer_class=MixedReplayBuffer, replay_buffer_kwargs={"sources": {"a": earlier}}
    )
    agent.save(tmp_path / "model.zip")
    loaded = SAC.load(tmp_path / "model.zip", device="cpu")
    assert type(loaded.replay_buffer).__name__ == "LeanReplayBuffer"
