from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import DummyVecEnv

from everlearn.agents import SAC, load_checkpoint, save_checkpoint
from everlearn.agents.replay import WarmStart
from everlearn.agents.replay.mixed import MixedReplayBuffer
from everlearn.agents.replay.reservoir import ReservoirReplayBuffer
from everlearn.agents.replay.transitions import Transitions
from everlearn.wrappers import info as info_names
from everlearn.wrappers.errors import SettingsError


class Changing(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Pendulum that tells of a change at step 60; each reward is the number of its step."""

    clock = 0

    def step(self, action: Any) -> Any:
        observation, _, *rest, info = super().step(action)
        self.clock += 1
        if self.clock == 60:
            info |= {info_names.BOUNDARY: True}
        return observation, float(self.clock), *rest, info


def worlds(n_envs: int = 1) -> DummyVecEnv:
    return DummyVecEnv([lambda: Changing(gymnasium.make("Pendulum-v1"))] * n_envs)


def watch(agent: Any) -> list[tuple[int, int]]:
    """Note steps and rows of the buffer at each step of the critics' optimizer."""
    updates: list[tuple[int, int]] = []
    train = agent.train

    def keep(gradient_steps: int, batch_size: int) -> None:
        updates.extend([(agent.num_timesteps, agent.replay_buffer.size())] * gradient_steps)
        train(gradient_steps, batch_size)

    agent.train = keep
    return updates


SETTINGS: dict[str, Any] = {"train_freq": 1, "learning_starts": 0, "backend": "eager"}


def test_the_policy_is_frozen_for_so_many_steps_and_then_learns(
    build: Callable[..., Any],
) -> None:
    agent = build(SAC, methods=[WarmStart(steps=50, ratio=4)], actor_delay=4, **SETTINGS)
    before = [parameter.clone() for parameter in agent.policy.parameters()]
    updates = watch(agent)
    agent.learn(50)
    assert all(map(torch.equal, before, agent.policy.parameters()))
    assert agent.replay_buffer.size() == 50
    agent.learn(20, reset_num_timesteps=False)
    assert updates == [(step, step) for step in range(51, 71) for _ in range(4)]
    steps = [agent.policy.actor.optimizer, agent.policy.critic.optimizer]
    made = [optimizer.state[optimizer.param_groups[0]["params"][0]]["step"] for optimizer in steps]
    assert [int(number) for number in made] == [20, 80]


def test_actions_are_those_of_the_policy(build: Callable[..., Any]) -> None:
    agent = build(SAC, methods=[WarmStart(steps=40)], **SETTINGS)
    with torch.no_grad():
        agent.actor.mu.weight.fill_(0)
        agent.actor.mu.bias.fill_(0.5)
        agent.actor.log_std.weight.fill_(0)
        agent.actor.log_std.bias.fill_(-9)
    agent.learn(40)
    np.testing.assert_allclose(agent.replay_buffer.actions[:40], np.tanh(0.5), atol=1e-3)


def test_mixed_buffers_drop_their_own_steps_alone(build: Callable[..., Any]) -> None:
    zeros, ones = np.zeros((9, 3), np.float32), np.ones(9, np.float32)
    earlier = Transitions(zeros, zeros[:, :1], -ones, zeros, ones > 2, ones > 2)
    agent = build(
        SAC,
        worlds(),
        methods=[WarmStart(steps=10, at_start=False)],
        replay_buffer_class=MixedReplayBuffer,
        replay_buffer_kwargs={"sources": {"earlier": earlier}},
        **SETTINGS,
    )
    agent.learn(80)
    rewards = agent.replay_buffer.sample(64).rewards
    assert (rewards == -1).sum() == 32
    assert (rewards > 60).sum() == 32


def test_what_is_kept_for_good_can_not_be_dropped(build: Callable[..., Any]) -> None:
    own = {"replay_buffer_class": ReservoirReplayBuffer, **SETTINGS}
    with pytest.raises(SettingsError, match="can't drop what a ReservoirReplayBuffer keeps"):
        build(SAC, methods=[WarmStart()], **own).learn(5)
    build(SAC, methods=[WarmStart(buffer="keep")], **own).learn(5)


@pytest.mark.parametrize("kind", [None, ReplayBuffer])
@pytest.mark.parametrize("keep", ["drop", "keep"])
def test_a_told_change_is_a_warm_start(kind: Any, keep: Any, build: Callable[..., Any]) -> None:
    method = WarmStart(steps=30, ratio=2, at_start=False, buffer=keep)
    agent = build(SAC, worlds(), methods=[method], replay_buffer_class=kind, **SETTINGS)
    updates = watch(agent)
    agent.learn(100)
    steps = [step for step, _ in updates]
    # The agent's own ratio of 1 until the change, nothing for 30 steps, then the method's 2.
    assert steps == [*range(1, 60), *(step for step in range(91, 101) for _ in range(2))]
    held = dict(updates)
    assert held[91] == (31 if keep == "drop" else 91)
    rewards = agent.replay_buffer.sample(500).rewards
    assert rewards.min() > 60 if keep == "drop" else rewards.min() < 60
    assert agent.methods[0].after_iteration() == {"replay/warm_starts": 1.0}


def test_it_goes_on_to_the_last_bit_after_a_dropped_buffer(
    build: Callable[..., Any], same: Callable[..., bool], tmp_path: Path
) -> None:
    methods = [WarmStart(steps=20, at_start=False)]
    settings = {**SETTINGS, "methods": methods, "buffer_size": 70}
    whole, second = (build(SAC, worlds(), **settings) for _ in range(2))
    for steps in (30, 40, 25):
        whole.learn(steps, reset_num_timesteps=False)
        save_checkpoint(whole, tmp_path)
    load_checkpoint(tmp_path, second)
    assert second.replay_buffer.size() == whole.replay_buffer.size() == 35
    draws = []
    for agent in (whole, second):
        np.random.seed(0)
        draws.append(agent.replay_buffer.sample(64))
    assert all(map(torch.equal, draws[0][:5], draws[1][:5]))
    assert same(whole.policy, second.policy)
    assert draws[0].rewards.min() > 60
