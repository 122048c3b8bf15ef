from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from stable_baselines3.common.logger import KVWriter, Logger

from everlearn.agents import PPO, SAC


class Rows(KVWriter):
    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def write(self, key_values: dict[str, Any], key_excluded: Any, step: int = 0) -> None:
        assert key_values.keys() == key_excluded.keys()
        self.rows.append(dict(key_values))


@pytest.mark.parametrize("backend", ["reference", "eager"])
@pytest.mark.parametrize(("kind", "loss"), [(PPO, "train/loss"), (SAC, "train/critic_loss")])
def test_the_last_update_can_be_read_after_learning(
    kind: Any, loss: str, backend: str, build: Callable[..., Any]
) -> None:
    own = {"iteration_steps": 64} if kind is SAC else {}
    agent, written = build(kind, backend=backend, **own), Rows()
    agent.set_logger(Logger(None, [written]))
    agent.learn(64)
    assert agent.logger.name_to_value[loss] > 0
    assert len(written.rows) == 1
    agent.learn(128, reset_num_timesteps=False)
    assert len(written.rows) == 3
    # A row that somebody else asks for does not tell of it again.
    assert agent.logger.name_to_value[loss] > 0
    seen: list[dict[str, Any]] = []

    def look(variables: dict[str, Any], _: Any) -> bool:
        if not seen:
            seen.append(dict(agent.logger.name_to_value))
        return True

    agent.learn(64, callback=look, reset_num_timesteps=False)
    assert loss not in seen[0]
