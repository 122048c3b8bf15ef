from __future__ import annotations

from typing import Any

import pytest
import torch

from everlearn.agents import PPO, SAC
from everlearn.agents.retention import CLEAR
from everlearn.agents.retention.v_trace import v_trace
from everlearn.wrappers.errors import SettingsError


def build(env: str = "Pendulum-v1", **own: Any) -> Any:
    method = CLEAR(**{"length": 8, "memory_size": 400, "sequences": 3, **own})
    shape: dict[str, Any] = {
        "policy_kwargs": {"net_arch": [8]},
        "n_steps": 64,
        "batch_size": 32,
        "n_epochs": 1,
    }
    return PPO("MlpPolicy", env, methods=[method], seed=0, device="cpu", **shape)


def test_v_trace_by_hand() -> None:
    generator = torch.Generator().manual_seed(0)
    ratios, rewards, values = (torch.randn(5, 3, generator=generator) for _ in range(3))
    ends = torch.zeros(5, 3)
    ends[2, 1] = 1
    found = v_trace(ratios, rewards, values, ends, 0.9)
    rho = ratios.exp().clamp(max=1)
    for b in range(3):
        for s in range(4):
            # The sum of the paper's equation 1.
            total, weight = values[s, b].clone(), torch.tensor(1.0)
            for t in range(s, 4):
                gamma = 0.9 * (1 - ends[t, b])
                delta = rho[t, b] * (rewards[t, b] + gamma * values[t + 1, b] - values[t, b])
                total += weight * delta
                weight = weight * gamma * rho[t, b]
            torch.testing.assert_close(found.values[s, b], total)
    following = torch.cat([found.values[1:], values[-1:]])
    wanted = rho[:-1] * (rewards[:-1] + 0.9 * (1 - ends[:-1]) * following - values[:-1])
    torch.testing.assert_close(found.advantages, wanted)


def test_on_policy_the_values_are_returns() -> None:
    rewards, zeros = torch.tensor([[1.0], [2.0], [4.0]]), torch.zeros(3, 1)
    found = v_trace(zeros, rewards, zeros, zeros, 0.5)
    assert found.values.flatten().tolist() == [2.0, 2.0]


@pytest.mark.parametrize("env", ["Pendulum-v1", "CartPole-v1"])
def test_nothing_is_cloned_where_nothing_has_moved(env: str) -> None:
    agent = build(env, value_coefficient=0.0)
    _, callback = agent._setup_learn(64)
    agent.collect_rollouts(agent.env, callback, agent.rollout_buffer, 64)
    agent._show_rollout()
    (method,) = agent.methods
    drawn = method._draw()
    assert drawn["rewards"].shape == (8, 3)
    # The policy gradient has a value, but no cloning is in it.
    with_cloning = method.penalty(agent.parts[0]).item()
    assert method.penalty(agent.parts[1]).item() == pytest.approx(0, abs=1e-9)
    state = method.generator.get_state()
    method.policy_cloning = 1000.0
    method.generator.set_state(state)
    one = method.penalty(agent.parts[0]).item()
    method.policy_cloning = 0.0
    method.generator.set_state(state)
    assert method.penalty(agent.parts[0]).item() == pytest.approx(one, abs=1e-3)
    assert with_cloning != 0
    with torch.no_grad():
        for parameter in agent.policy.parameters():
            parameter.add_(torch.randn_like(parameter))
    method.policy_cloning = 1000.0
    method.generator.set_state(state)
    moved = method.penalty(agent.parts[0]).item()
    assert abs(moved - one) > 1
    assert method.penalty(agent.parts[1]).item() > 1e-6


def test_importances_are_of_the_policy_that_acted() -> None:
    agent = build()
    _, callback = agent._setup_learn(64)
    agent.collect_rollouts(agent.env, callback, agent.rollout_buffer, 64)
    agent._show_rollout()
    (method,) = agent.methods
    from everlearn.agents.retention.answers import answers_with, log_likelihood

    flat = {name: method._kept(name).flatten(0, 1) for name in ("observations", "actions")}
    answers = answers_with(agent.parts[0], agent.parts[0].parameters, flat["observations"])
    found = log_likelihood(answers, flat["actions"])
    torch.testing.assert_close(found, method._kept("log_probs").flatten(), rtol=1e-4, atol=1e-4)


def test_every_sequence_is_equally_likely_to_be_kept() -> None:
    counts = torch.zeros(12)
    agent = PPO("MlpPolicy", "CartPole-v1", n_steps=64, device="cpu")
    for seed in range(300):
        method = CLEAR(length=2, memory_size=8)
        method.attach(agent.parts, seed)
        for number in range(12):
            method._keep({name: torch.full((2,), float(number)) for name in ALL})
        counts[method._kept("rewards")[:, 0].long()] += 1
    # 100 of 300 each; the standard deviation is 8.
    assert (counts - 100).abs().max() < 35


ALL = ("observations", "actions", "rewards", "starts", "log_probs", "values", "means", "log_stds")


def test_sac_refuses_it() -> None:
    with pytest.raises(SettingsError, match="'clear' needs an agent that learns from rollouts"):
        SAC("MlpPolicy", "Pendulum-v1", methods=[CLEAR()], device="cpu")
