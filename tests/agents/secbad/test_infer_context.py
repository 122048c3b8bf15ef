from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import stable_baselines3
import torch
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env as make_plain
from stable_baselines3.common.evaluation import evaluate_policy

from everlearn.agents import PPO, SAC, load_checkpoint, save_checkpoint
from everlearn.agents.secbad import ContextInference, InferContext
from everlearn.envs import make_vec_env
from everlearn.wrappers.errors import SettingsError

STREAM = "everlearn/CartPoleForceSign-v0:mean_length=20"
SMALL: dict[str, Any] = {
    "hidden_size": 4,
    "latent_size": 2,
    "decoder_size": 4,
    "n_ages": 60,
    "train_every": 24,
    "updates": 2,
    "horizon": 20,
    "memory_steps": 60,
}


def worlds(kind: str = "secbad", stream: str = STREAM, seed: int = 0, **settings: Any) -> Any:
    inference = ContextInference(kind=kind, **{**SMALL, **settings})  # type: ignore[arg-type]
    return InferContext(make_vec_env(stream, n_envs=2, seed=seed), inference, seed=0)


def walk(env: Any, n_steps: int, seed: int = 0) -> Iterator[Any]:
    rng = np.random.default_rng(seed)
    for _ in range(n_steps):
        yield env.step(rng.integers(2, size=2))


@pytest.mark.parametrize(
    ("kind", "n_features"),
    [
        ("secbad", 4),
        ("window", 4),
        ("varibad", 4),
        ("memoryless", 0),
        ("oracle", 1),
        ("history", 3 * (4 + 2 + 4 + 1)),
    ],
)
def test_features_stand_behind_observations(kind: str, n_features: int) -> None:
    env, plain = worlds(kind), make_vec_env(STREAM, n_envs=2, seed=0)
    assert env.observation_space.shape == (4 + n_features,)
    first = env.reset()
    np.testing.assert_array_equal(first[:, :4], plain.reset())
    if kind != "oracle":
        # Mean and deviation of N(0, 1).
        assert first[:, 4:].sum(axis=1).tolist() == [2.0 * (n_features == 4)] * 2
    ended = 0
    for ours, theirs in zip(walk(env, 60), walk(plain, 60), strict=True):
        np.testing.assert_array_equal(ours[0][:, :4], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])
        assert env.observation_space.contains(ours[0][0])
        for mine, other in zip(ours[3], theirs[3], strict=True):
            if "terminal_observation" in other:
                ended += 1
                last = mine["terminal_observation"]
                np.testing.assert_array_equal(last[:4], other["terminal_observation"])
                assert last.shape == (4 + n_features,)
                assert last.dtype == np.float32
    assert ended


def test_steps_reach_over_the_ends_of_episodes() -> None:
    env = worlds("history", frames=1)
    before = env.reset()
    for observations, rewards, dones, infos in walk(env, 60):
        moments = env.networks
        for copy in range(2):
            after = infos[copy]["terminal_observation"] if dones[copy] else observations[copy]
            change = torch.from_numpy(after[:4] - before[copy, :4])
            told = torch.from_numpy(observations[copy, 4:])
            torch.testing.assert_close(told[6:10], moments.changes.scale(change), rtol=0, atol=2e-5)
            assert told[10] == moments.rewards.scale(torch.tensor([rewards[copy]]))[0]
        before = observations


def test_oracles_tell_the_context_of_the_next_action() -> None:
    env = worlds("oracle")
    env.reset()
    signs = set()
    for observations, _, dones, infos in walk(env, 80):
        for copy in range(2):
            info = env.unwrapped.reset_infos[copy] if dones[copy] else infos[copy]
            force = info["context"]["cartpole-force"]
            scaled = env.contexts.scale(torch.tensor([force])).item()
            assert observations[copy, 4] == pytest.approx(scaled)
            signs.add(force)
    assert signs == {-10.0, 10.0}


@pytest.mark.parametrize("at_episode_end", ["carry", "reset"])
def test_belief_goes_on_over_episodes_or_begins_anew(at_episode_end: str) -> None:
    env = worlds("varibad", at_episode_end=at_episode_end)
    env.reset()
    ended = False
    for observations, _, dones, _ in walk(env, 60):
        for copy in np.flatnonzero(dones):
            ended = True
            fresh = observations[copy, 4:].tolist() == [0, 0, 1, 1]
            assert fresh == (at_episode_end == "reset")
    assert ended


def test_boundaries_are_learned_from_only_where_they_are_told() -> None:
    env = worlds()
    env.reset()
    assert env._first.all()
    told = []
    for _, _, dones, infos in walk(env, 120):
        begun = env.unwrapped.reset_infos
        for copy in range(2):
            news = begun[copy] if dones[copy] else infos[copy]
            assert env._first[copy] == (bool(news["changed"]) or bool(infos[copy]["changed"]))
        told.append(env._first.copy())
    assert 4 < np.sum(told) < 24


def test_a_twin_sees_as_its_original_and_learns_nothing() -> None:
    env = worlds()
    env.reset()
    list(walk(env, 40))
    before = {name: value.clone() for name, value in env.networks.state_dict().items()}
    state = env.get_state()
    twin = env.twin(make_vec_env(STREAM, n_envs=2, seed=3))
    twin.reset()
    found = list(walk(twin, 30))
    assert found[-1][0][:, 4:].any()
    torch.testing.assert_close(dict(env.networks.state_dict()), before, rtol=0, atol=0)
    assert repr(env.get_state()) == repr(state)


def test_it_works_with_stable_baselines3_itself() -> None:
    env = worlds()
    agent = stable_baselines3.PPO("MlpPolicy", env, n_steps=16, batch_size=16, device="cpu")
    agent.learn(64)
    assert env.read_log()["context/reconstruction"] != 0
    evaluate_policy(agent, env.twin(make_vec_env(STREAM, n_envs=1, seed=1)), n_eval_episodes=1)


def make_agent(kind: type, inference: str, seed: int = 0) -> Any:
    if kind is PPO:
        env = worlds(inference)
        return PPO("MlpPolicy", env, n_steps=16, batch_size=16, seed=seed, device="cpu")
    settings = ContextInference(kind=inference, **SMALL)  # type: ignore[arg-type]
    plain = make_vec_env("everlearn/CataclysmicCartPole-v0", n_envs=2, seed=0)
    env = InferContext(plain, settings, seed=0)
    return SAC(
        "MlpPolicy",
        env,
        learning_starts=20,
        buffer_size=100,
        batch_size=8,
        iteration_steps=20,
        policy_kwargs={"net_arch": [8]},
        seed=seed,
        device="cpu",
        backend="eager",
    )


@pytest.mark.parametrize(
    ("kind", "inference"),
    [(PPO, "secbad"), (PPO, "history"), (PPO, "oracle"), (PPO, "varibad"), (SAC, "secbad")],
)
def test_checkpoints_go_on_bit_for_bit(kind: type, inference: str, tmp_path: Path) -> None:
    whole = make_agent(kind, inference)
    whole.learn(100)
    save_checkpoint(whole, tmp_path)
    whole.learn(100, reset_num_timesteps=False)
    other = make_agent(kind, inference, seed=5)
    load_checkpoint(tmp_path, other)
    other.learn(100, reset_num_timesteps=False)
    mine, theirs = whole.env.get_state(), other.env.get_state()
    assert repr(mine) == repr(theirs)
    for name in ("networks", "belief", "features", "last"):
        torch.testing.assert_close(mine[name], theirs[name], rtol=0, atol=0, msg=name)
    torch.testing.assert_close(whole.policy.state_dict(), other.policy.state_dict(), rtol=0, atol=0)


def test_zips_hold_what_was_learned(tmp_path: Path) -> None:
    agent = make_agent(PPO, "secbad").learn(64)
    agent.save(tmp_path / "agent.zip")
    env = worlds(seed=4)
    assert not torch.equal(env.networks.points, torch.zeros(1))
    loaded: Any = PPO.load(tmp_path / "agent.zip", env=env, device="cpu")
    learned = agent.env.networks.state_dict()
    torch.testing.assert_close(loaded.env.networks.state_dict(), learned, rtol=0, atol=0)
    assert PPO.load(tmp_path / "agent.zip", device="cpu").learned_around
    stable_baselines3.PPO.load(tmp_path / "agent.zip", device="cpu")
    with pytest.raises(SettingsError, match="give InferContext the settings of the agent"):
        PPO.load(tmp_path / "agent.zip", env=worlds(hidden_size=5), device="cpu")


def test_worlds_it_cannot_take_in() -> None:
    class Counted(gymnasium.Env):
        observation_space = spaces.Discrete(3)
        action_space = spaces.Discrete(2)

    with pytest.raises(
        SettingsError, match="observations that are a vector of numbers, not Discrete"
    ):
        InferContext(make_plain(Counted))
    Counted.observation_space = spaces.Box(-1, 1, (2,))  # type: ignore[assignment]
    Counted.action_space = spaces.MultiBinary(2)  # type: ignore[assignment]
    with pytest.raises(SettingsError, match="Box or Discrete actions, not MultiBinary"):
        InferContext(make_plain(Counted))
    with pytest.raises(SettingsError, match="an oracle needs the worlds of a stream"):
        InferContext(make_plain("CartPole-v1"), ContextInference(kind="oracle"))
