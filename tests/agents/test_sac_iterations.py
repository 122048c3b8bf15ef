from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import stable_baselines3
import torch
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import KVWriter, Logger

from everlearn.agents import SAC, Method
from everlearn.agents.layers import Part

PLAIN = stable_baselines3.SAC


class Rows(KVWriter):
    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def write(self, key_values: dict[str, Any], key_excluded: Any, step: int = 0) -> None:
        self.rows.append({**key_values, "step": step})

    def close(self) -> None:
        return None


def worlds(n_envs: int) -> Any:
    return make_vec_env("Pendulum-v1", n_envs, seed=0)


@dataclass(eq=False, repr=False)
class Counting(Method):
    name: ClassVar[str] = "counting"

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        self.iterations = 0

    def after_iteration(self) -> dict[str, float]:
        self.iterations += 1
        return {"counting/iterations": float(self.iterations)}


@pytest.mark.parametrize(
    ("n_envs", "steps"), [(1, [100, 200, 300]), (2, [100, 200, 300]), (3, [102, 201, 300])]
)
def test_iterations_are_steps_over_all_copies(
    n_envs: int, steps: list[int], build: Callable[..., Any]
) -> None:
    settings = {"train_freq": 1, "iteration_steps": 100, "methods": [Counting()]}
    agent, rows = build(SAC, worlds(n_envs), **settings), Rows()
    agent.set_logger(Logger(None, [rows]))
    agent.learn(300)
    assert [row["step"] for row in rows.rows] == steps
    assert [row["time/iterations"] for row in rows.rows] == [1, 2, 3]
    assert [row["counting/iterations"] for row in rows.rows] == [1, 2, 3]
    assert rows.rows[-1]["train/n_updates"] == agent._n_updates
    made = np.diff([0] + [row["train/n_updates"] for row in rows.rows])
    for row, n_updates, begin in zip(rows.rows, made, [0, *steps], strict=False):
        assert row["replay/ratio"] == pytest.approx(n_updates / (row["step"] - begin))
        assert row["plasticity/actor/weight_norm"] > 0
        assert row["plasticity/critic_1/weight_change"] > 0


def test_rows_can_be_fewer_and_begin_anew(build: Callable[..., Any]) -> None:
    agent, rows = build(SAC, iteration_steps=50), Rows()
    agent.set_logger(Logger(None, [rows]))
    agent.learn(210, log_interval=2)
    assert [row["step"] for row in rows.rows] == [100, 200]
    agent.learn(100, reset_num_timesteps=False)
    assert [row["step"] for row in rows.rows[2:]] == [252, 300]
    agent.learn(50)
    assert [(row["step"], row["time/iterations"]) for row in rows.rows[4:]] == [(52, 1)]
    agent.learn(100, log_interval=None)
    assert len(rows.rows) == 5


def test_a_rollout_may_be_longer_than_an_iteration(build: Callable[..., Any]) -> None:
    agent, rows = build(SAC, iteration_steps=60, train_freq=(1, "episode")), Rows()
    agent.set_logger(Logger(None, [rows]))
    agent.learn(400)
    assert [(row["step"], row["time/iterations"]) for row in rows.rows] == [(200, 3), (400, 6)]


def test_losses_in_a_row_are_means_over_its_updates(build: Callable[..., Any]) -> None:
    agent = build(SAC, backend="reference", iteration_steps=100, gradient_steps=3)
    rows = Rows()
    agent.set_logger(Logger(None, [rows]))
    losses: list[float] = []
    train = PLAIN.train

    def keep(self: Any, gradient_steps: int, batch_size: int = 64) -> None:
        train(self, gradient_steps, batch_size)
        losses.append(self.logger.name_to_value["train/critic_loss"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PLAIN, "train", keep)
        agent.learn(200)
    assert len(losses) == 42
    assert rows.rows[0]["train/critic_loss"] == pytest.approx(np.mean(losses[:17]))
    assert rows.rows[1]["train/critic_loss"] == pytest.approx(np.mean(losses[17:]))


@pytest.mark.parametrize("n_envs", [1, 2, 3])
@pytest.mark.parametrize("ratio", [0.3, 1, 2.5])
def test_realised_replay_ratio_is_what_was_asked(
    ratio: float, n_envs: int, build: Callable[..., Any]
) -> None:
    agent = build(SAC, worlds(n_envs), replay_ratio=ratio, learning_starts=30, train_freq=1)
    agent.learn(120)
    # The first steps that count are those that go beyond the 30.
    counted = n_envs * len(range(30 // n_envs, 120 // n_envs))
    assert ratio * counted - 1 < agent._n_updates <= ratio * counted


def test_a_loaded_agent_goes_on_in_the_middle_of_an_iteration(
    build: Callable[..., Any], same: Callable[..., bool]
) -> None:
    settings = {"replay_ratio": 0.3, "iteration_steps": 50, "train_freq": 1}
    whole, rows = build(SAC, **settings).learn(120), Rows()
    whole.set_logger(Logger(None, [rows]))
    whole.learn(80, reset_num_timesteps=False)
    first, file, others = build(SAC, **settings).learn(120), io.BytesIO(), Rows()
    first.save(file)
    states = torch.get_rng_state(), np.random.get_state()
    second = SAC.load(file, env=first.get_env(), device="cpu", force_reset=False)
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])
    second.replay_buffer = first.replay_buffer
    second.set_logger(Logger(None, [others]))
    second.learn(80, reset_num_timesteps=False)
    assert same(whole.policy, second.policy)
    assert whole._n_updates == second._n_updates
    assert len(rows.rows) == len(others.rows) == 2
    for one, other in zip(rows.rows, others.rows, strict=True):
        keys = [key for key in one if not key.startswith("time/")]
        assert {key: one[key] for key in keys} == {key: other[key] for key in keys}


def test_diagnostics_can_be_switched_off(
    build: Callable[..., Any], same: Callable[..., bool]
) -> None:
    agents, tables = [], [Rows(), Rows()]
    for rows, diagnostics in zip(tables, (True, False), strict=True):
        agents.append(build(SAC, diagnostics=diagnostics, iteration_steps=20))
        agents[-1].set_logger(Logger(None, [rows]))
        agents[-1].learn(100)
    assert same(agents[0].policy, agents[1].policy)
    assert not [tag for tag in tables[1].rows[-1] if tag.startswith("plasticity/")]
    # Before learning there may be nothing to look at.
    assert "plasticity/actor/weight_norm" not in tables[0].rows[0]
    assert "plasticity/actor/weight_norm" in tables[0].rows[-1]
