"""Rewards for going where a model of the world is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import stable_baselines3
import torch
from gymnasium import spaces
from stable_baselines3 import DQN

from everlearn.agents.experience import Experience
from everlearn.agents.method import Method
from everlearn.agents.plasticity import L2
from everlearn.agents.reaction import ChangeDetection, ReactiveExploration
from everlearn.agents.reaction.flat_networks import answer
from everlearn.agents.reaction.worlds import react
from everlearn.agents.watched_vec_env import WatchedVecEnv
from everlearn.envs import make_vec_env
from everlearn.wrappers.errors import SettingsError

SPACES = spaces.Box(-1, 1, (3,)), spaces.Discrete(2)


def attached(**settings: Any) -> ReactiveExploration:
    method = ReactiveExploration(**{"every_steps": 8, "memory": 64, "hidden_size": 8, **settings})
    method.spaces = SPACES
    method.attach((), 0)
    return method


def experience(rng: np.random.Generator, n_copies: int = 4, shift: float = 0.0) -> Experience:
    begun = rng.uniform(-1, 1, (n_copies, 3)).astype(np.float32)
    actions = rng.integers(2, size=n_copies)
    ended = (begun + 0.1 * actions[:, None] + shift).astype(np.float32)
    rewards = begun.sum(axis=1)
    return Experience(begun, actions, rewards, ended, np.zeros(n_copies, bool))


def test_rewards_are_mixed_as_in_the_paper() -> None:
    method = attached(dynamics_share=0.3, dynamics_scale=2.0, reward_share=0.1)
    rng = np.random.default_rng(0)
    for _ in range(6):
        step = experience(rng)
        method.reward(step, step.rewards)
    step = experience(rng)
    rows = method.transitions.split(method.transitions.read(step))
    model = method.model
    networks = model.networks.split(model.networks.values)
    before, after = (
        answer(networks["encoder"], model.observations(observations))
        for observations in (rows.observations, rows.next_observations)
    )
    inputs = torch.cat([before, rows.actions], dim=1)
    error = answer(networks["forward"], inputs) - after
    inputs = torch.cat([model.observations(rows.observations), rows.actions], dim=1)
    guess = answer(networks["reward"], inputs).flatten()
    # The reward model learns scaled rewards; the bonus is in the world's units.
    guess = guess * model.rewards.deviation + model.rewards.mean
    first = 0.7 * step.rewards + 0.3 * (2.0 / 2) * error.square().sum(dim=1).numpy()
    wanted = 0.9 * first + 0.1 * (0.2 / 2) * np.square(guess.numpy() - step.rewards)
    got = method.reward(step, step.rewards)
    assert got.dtype == step.rewards.dtype
    assert got == pytest.approx(wanted, rel=1e-4)


def test_before_the_models_have_learned_there_is_no_bonus() -> None:
    method, step = attached(reward_share=0.0), experience(np.random.default_rng(0))
    assert method.reward(step, step.rewards) == pytest.approx(0.85 * step.rewards)


def last_bonus(normalization: Any, monkeypatch: pytest.MonkeyPatch) -> float:
    """Return the bonus of an error ten times the usual one, long after far larger ones."""
    method = attached(normalization=normalization, horizon=100.0)
    method.known.learned.fill_(True)
    errors = [1000.0] * 100 + [1.0] * 2000 + [10.0]
    monkeypatch.setattr(method, "_squared_errors", lambda rows: rows)
    for error in errors:
        bonus = method._bonus(torch.full((1, 2), error))
    return float(bonus[0, 0])


def test_a_scale_that_forgets_does_not_drown_later_shocks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert last_bonus("none", monkeypatch) == 5.0
    # The usual error has become one again, and the shock is a hundredth of what is usual now.
    assert last_bonus("forgetting", monkeypatch) == pytest.approx(10 / (1 + 0.01 * 9) / 2, rel=0.01)
    assert last_bonus("lifetime", monkeypatch) < 0.2


class Recorder(Method):
    """Keeps what the agents live through."""

    name = "recorder"
    seen: list[Experience]

    def notices(self, experience: Experience) -> bool:
        type(self).seen.append(experience)
        return False


@pytest.mark.parametrize("kind", ["PPO", "SAC"])
def test_experience_is_what_happened(kind: str, build: Callable[..., Any]) -> None:
    from everlearn import agents

    Recorder.seen = []
    agent = build(getattr(agents, kind), methods=[Recorder()])
    agent.learn(256)
    assert len(Recorder.seen) == 256
    for one, other in zip(Recorder.seen[:-1], Recorder.seen[1:], strict=True):
        follows = np.array_equal(one.next_observations, other.observations)
        assert follows != one.dones.any()
    if kind == "SAC":
        kept = agent.replay_buffer.observations[:256]
        assert np.array_equal(kept, [step.observations for step in Recorder.seen])


def test_off_changes_no_reward() -> None:
    method = attached(dynamics_share=0.0, reward_share=0.0)
    step = experience(np.random.default_rng(0))
    assert method.reward(step, step.rewards) is step.rewards


def learn_dqn(worlds: Any) -> Any:
    return DQN("MlpPolicy", worlds, learning_starts=32, seed=0, device="cpu").learn(128)


def test_a_dqn_gets_the_rewards_too(same: Callable[..., bool]) -> None:
    def worlds(**settings: Any) -> WatchedVecEnv:
        methods = [ReactiveExploration(every_steps=8, hidden_size=8, **settings)]
        return react(make_vec_env("everlearn/ReactiveCartPole-v0", 1, seed=0), methods, seed=0)

    plain = learn_dqn(make_vec_env("everlearn/ReactiveCartPole-v0", 1, seed=0))
    off = learn_dqn(worlds(dynamics_share=0.0, reward_share=0.0))
    one, other = learn_dqn(worlds()), learn_dqn(worlds())
    assert same(plain.policy, off.policy)
    assert same(one.policy, other.policy)
    assert not same(plain.policy, one.policy)


@pytest.mark.parametrize(
    ("world", "sentence"),
    [
        (spaces.Box(0, 255, (36, 36, 3), np.uint8), "a vector of numbers, not images"),
        (spaces.Discrete(5), "a vector of numbers, not Discrete"),
    ],
)
@pytest.mark.parametrize("method", [ChangeDetection(), ReactiveExploration()])
def test_worlds_that_cannot_be_modelled_are_refused(
    world: Any, sentence: str, method: Method
) -> None:
    method.spaces = (world, SPACES[1])
    with pytest.raises(
        SettingsError, match=f"{method.name} needs observations that are {sentence}"
    ):
        method.attach((), 0)
    method.spaces = (SPACES[0], spaces.MultiBinary(3))
    with pytest.raises(SettingsError, match="needs Box or Discrete actions, not MultiBinary"):
        method.attach((), 0)


def test_only_what_watches_goes_without_an_agent() -> None:
    worlds = stable_baselines3.common.env_util.make_vec_env("CartPole-v1")
    with pytest.raises(SettingsError, match="l2 only works with an agent of everlearn"):
        react(worlds, [L2()])
