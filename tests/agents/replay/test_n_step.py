from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import NStepReplayBuffer

from everlearn.agents.replay.buffers import LeanReplayBuffer
from everlearn.agents.replay.lean_state import as_transitions
from everlearn.agents.replay.n_step import n_step

SPACE = spaces.Box(-1, 1, (3,))


def fill(buffers: list[Any], n_steps: int, n_envs: int, breaks: bool = False) -> None:
    """Add the same steps, of episodes that end in all ways, to several buffers."""
    generator = np.random.default_rng(1)
    now = generator.normal(size=(n_envs, 3)).astype(np.float32)
    for _ in range(n_steps):
        end = generator.normal(size=(n_envs, 3)).astype(np.float32)
        done = generator.random(n_envs) < 0.2
        infos = [{"TimeLimit.truncated": bool(d and generator.random() < 0.5)} for d in done]
        rewards = generator.normal(size=n_envs)
        for buffer in buffers:
            buffer.add(now, end, np.zeros((n_envs, 3)), rewards, done, infos)
        other = generator.normal(size=(n_envs, 3)).astype(np.float32)
        elsewhere = done | (breaks & (generator.random(n_envs) < 0.2))
        now = np.where(elsewhere[:, None], other, end)


@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("n_steps", [2, 5])
@pytest.mark.parametrize("steps", [7, 20, 33])
def test_samples_are_those_of_sb3(n_envs: int, n_steps: int, steps: int) -> None:
    own: dict[str, Any] = {"n_envs": n_envs, "n_steps": n_steps, "gamma": 0.9}
    plain, lean = (
        kind(20 * n_envs, SPACE, SPACE, "cpu", **own)
        for kind in (NStepReplayBuffer, LeanReplayBuffer)
    )
    fill([plain, lean], steps, n_envs)
    np.random.seed(0)
    wanted = plain.sample(200)
    np.random.seed(0)
    for mine, its in zip(lean.sample(200), wanted, strict=True):
        assert mine is not None
        assert its is not None
        assert torch.equal(mine, its)


def test_no_return_reaches_beyond_a_reset_in_mid_episode() -> None:
    lean = LeanReplayBuffer(10, SPACE, SPACE, "cpu", n_steps=3, gamma=0.5)
    for step in range(4):
        # The second step ends elsewhere than the third begins.
        begin, end = np.full((1, 3), step), np.full((1, 3), step + 1 if step != 1 else 9)
        lean.add(begin, end, np.zeros((1, 3)), np.ones(1), np.zeros(1), [{}])
    samples = lean.sample(200)
    begins = samples.observations[:, 0].tolist()
    assert samples.discounts is not None
    found = zip(
        begins,
        samples.rewards[:, 0].tolist(),
        samples.discounts[:, 0].tolist(),
        samples.next_observations[:, 0].tolist(),
        strict=True,
    )
    assert set(found) == {(0, 1.5, 0.25, 9), (1, 1, 0.5, 9), (2, 1.5, 0.25, 4), (3, 1, 0.5, 4)}


def test_by_hand() -> None:
    ends = np.array([[False, True, False], [False, False, False]])
    found = n_step(np.array([[1.0, 2.0, 4.0], [1.0, 2.0, 4.0]]), ends, 0.5)
    assert found.returns.tolist() == [2.0, 3.0]
    assert found.last.tolist() == [1, 2]
    assert found.discounts.tolist() == [0.25, 0.125]


@pytest.mark.parametrize("steps", [9, 33])
def test_transitions_of_a_buffer_have_the_same_returns(steps: int) -> None:
    """Rows of the buffer, sampled, are among the transitions that it is turned into."""
    lean = LeanReplayBuffer(40, SPACE, SPACE, "cpu", n_envs=2, n_steps=3, gamma=0.9)
    fill([lean], steps, 2, breaks=True)
    found = as_transitions(lean.get_state(), [lean.get_rows(0)]).over(3, 0.9)
    assert found.discounts is not None
    assert len(found) == lean.size() * 2
    observations = np.asarray(found.observations).tolist()
    row_of = {tuple(row): index for index, row in enumerate(observations)}
    samples = lean.sample(300)
    rows = [row_of[tuple(row)] for row in samples.observations.tolist()]
    assert len(set(rows)) == len(found)
    for name in ("actions", "next_observations"):
        assert np.array_equal(getattr(samples, name).numpy(), getattr(found, name)[rows])
    assert np.array_equal(samples.rewards[:, 0].numpy(), found.rewards[rows])
    assert samples.discounts is not None
    assert np.array_equal(samples.discounts[:, 0].numpy(), found.discounts[rows])
    assert np.array_equal(samples.dones[:, 0].numpy(), found.terminals[rows])
