from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer

from everlearn.agents.replay.buffers import LeanReplayBuffer
from everlearn.agents.replay.mixed import MixedReplayBuffer
from everlearn.agents.replay.newest import newest_transitions
from everlearn.agents.replay.reservoir import ReservoirReplayBuffer
from everlearn.agents.replay.transitions import Transitions
from everlearn.wrappers.errors import SettingsError

SPACE = spaces.Box(-1, 1, (2,))
NOTHING = np.zeros((4, 2), np.float32)
EARLIER = Transitions(
    NOTHING, NOTHING, NOTHING[:, 0], NOTHING, NOTHING[:, 0] > 1, NOTHING[:, 0] > 1
)


def fill(buffer: Any, steps: int) -> None:
    """Add steps whose numbers are in all columns, to two copies."""
    for step in range(steps):
        row = np.array([[step, 0], [step, 1]]) / 100
        end = np.array([[step + 1, 0], [step + 1, 1]]) / 100
        buffer.add(row, end, -row, np.array([step, step + 0.5]), np.zeros(2), [{}, {}])


@pytest.mark.parametrize("kind", [LeanReplayBuffer, ReplayBuffer, MixedReplayBuffer])
@pytest.mark.parametrize("steps", [5, 23])
def test_the_newest_rows_come_first_and_no_random_number_is_drawn(kind: Any, steps: int) -> None:
    own = {"sources": {"earlier": EARLIER}} if kind is MixedReplayBuffer else {}
    buffer = kind(20, SPACE, SPACE, n_envs=2, **own)
    fill(buffer, steps)
    state: Any = np.random.get_state()
    found = newest_transitions(buffer, 7)
    after: Any = np.random.get_state()
    assert (state[1] == after[1]).all()
    assert state[2] == after[2]
    last = steps - 1
    assert found.rewards.tolist() == [last - age + part for age in range(4) for part in (0, 0.5)]
    np.testing.assert_allclose(found.observations[:, 0] * 100, np.floor(found.rewards), atol=1e-4)
    np.testing.assert_allclose(found.actions, -found.observations)
    # No more than there are.
    assert len(newest_transitions(buffer, 1000).rewards) == 2 * min(steps, 10)


def test_what_was_forgotten_is_not_among_them() -> None:
    buffer = LeanReplayBuffer(100, SPACE, SPACE, n_envs=2)
    fill(buffer, 4)
    buffer.forget()
    assert len(newest_transitions(buffer, 100).rewards) == 0
    fill(buffer, 3)
    assert newest_transitions(buffer, 100).rewards.tolist() == [2, 2.5, 1, 1.5, 0, 0.5]


def test_a_reservoir_knows_no_newest() -> None:
    buffer = ReservoirReplayBuffer(20, SPACE, SPACE, n_envs=2)
    with pytest.raises(SettingsError, match="newest transitions of a ReservoirReplayBuffer"):
        newest_transitions(buffer, 3)
