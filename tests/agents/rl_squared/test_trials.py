from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import DummyVecEnv

from everlearn.agents import PPO, load_checkpoint, save_checkpoint
from everlearn.agents.recurrent_ppo import RecurrentPPO
from everlearn.agents.rl_squared import LevelSampling, Trials
from everlearn.envs import make_vec_env
from everlearn.wrappers.errors import SettingsError

STREAM = "everlearn/CartPoleForces-v0:horizon=12"
LEVELS = [{"cartpole-force": force} for force in (-20.0, -10.0, 10.0, 20.0)]


def make(n_envs: int = 2, **own: Any) -> Any:
    worlds = make_vec_env(STREAM, n_envs, seed=0)
    return Trials(worlds, **{"episodes": 2, "levels": LEVELS, "seed": 0, **own})


def live(worlds: Any, n_steps: int) -> list[Any]:
    """Push to the right all the time, which ends an episode after some 5 to 10 steps."""
    worlds.reset()
    return [worlds.step(np.ones(worlds.num_envs, dtype=int)) for _ in range(n_steps)]


def forces(infos: list[dict[str, Any]]) -> list[float]:
    return [info["context"]["cartpole-force"] for info in infos]


def test_a_trial_is_some_episodes_in_one_context() -> None:
    worlds = make()
    lived = live(worlds, 120)
    ended = 0
    for copy in range(2):
        played: list[Any] = []
        known: list[float] = []
        seen: set[float] = set()
        for number, (_, _, dones, infos) in enumerate(lived):
            force = forces(infos)[copy]
            if not dones[copy]:
                known.append(force)
            if "episode" in infos[copy]:
                played.append(infos[copy]["episode"])
            if dones[copy]:
                assert infos[copy]["trial"] == played
                assert len(played) == 2
                assert infos[copy]["TimeLimit.truncated"] is False
                # All of a trial's steps but the last, whose info may tell of the next.
                assert len(set(known)) <= 1, number
                seen |= set(known)
                played, known = [], []
                ended += 1
            else:
                assert "trial" not in infos[copy]
        assert seen <= {one["cartpole-force"] for one in LEVELS}
        assert len(seen) > 1
    assert ended > 8


def test_the_context_of_an_episode_is_that_of_its_level() -> None:
    worlds = make(n_envs=3)
    worlds.reset()
    for _ in range(60):
        worlds.step(np.zeros(3, dtype=int))
        inside = [world.unwrapped.force_mag for world in worlds.unwrapped._env.unwrapped.envs]
        assert inside == [LEVELS[level]["cartpole-force"] for level in worlds._level]


def test_what_the_agent_is_told() -> None:
    worlds = make(n_envs=1)
    first = worlds.reset()
    assert first.shape == (1, 8)
    assert first[0, 4:].tolist() == [0, 0, 0, 0]
    ends = 0
    for _ in range(40):
        observations, rewards, dones, infos = worlds.step(np.array([1]))
        told = [0.0, 1.0, rewards[0], float("episode" in infos[0])]
        if dones[0]:
            # A trial begins as the first did; what was told last is in the last observation.
            assert observations[0, 4:].tolist() == [0, 0, 0, 0]
            assert infos[0]["terminal_observation"][4:].tolist() == told
            assert infos[0]["terminal_observation"].shape == (8,)
            ends += 1
        else:
            assert observations[0, 4:].tolist() == told
    assert ends > 1


def test_an_agent_may_be_told_nothing() -> None:
    worlds = make(told=False)
    assert worlds.observation_space == worlds.venv.observation_space
    assert worlds.reset().shape == (2, 4)


def test_worlds_that_change_by_themselves_no_longer_do() -> None:
    worlds = make_vec_env("everlearn/CartPoleForceSign-v0:mean_length=10", 2, seed=0)
    levels = [{"cartpole-force": 7.0}]
    lived = live(Trials(worlds, 2, levels), 100)
    assert {force for step in lived for force in forces(step[3])} == {7.0}


def test_a_level_scores_the_mean_of_its_last_advantages() -> None:
    worlds = make(n_envs=1, levels=LEVELS[:2], sampling=LevelSampling(replay_probability=0.0))
    worlds.reset()
    levels, overs = [], []
    for _ in range(60):
        levels.append(int(worlds._level[0]))
        overs.append(bool(worlds.step(np.array([1]))[2][0]))
    advantages = np.linspace(-3, 1, 60)[:, None]
    worlds.see_advantages(advantages)
    bounds = [0, *(step + 1 for step, over in enumerate(overs) if over), 60]
    wanted: dict[int, float] = {}
    for begin, end in pairwise(bounds):
        if begin < end:
            wanted[levels[begin]] = float(np.abs(advantages[begin:end]).mean())
    assert len(bounds) > 3
    assert len(wanted) == 2
    for level, score in wanted.items():
        assert worlds.replay.scores[level] == pytest.approx(score)


@pytest.mark.parametrize("kind", [PPO, RecurrentPPO])
def test_agents_tell_it_their_advantages(kind: Any) -> None:
    worlds = make()
    policy, backend = ("MlpPolicy", "eager") if kind is PPO else ("MlpLstmPolicy", "fused")
    settings: dict[str, Any] = {"n_steps": 64, "batch_size": 64, "n_epochs": 1, "seed": 0}
    kind(policy, worlds, **settings, backend=backend, device="cpu").learn(128)
    assert worlds.replay.seen.any()
    assert worlds.replay.scores[worlds.replay.seen].max() > 0


def test_the_memory_is_kept_from_episode_to_episode() -> None:
    """It begins anew where trials do, and nowhere else."""
    worlds = make(n_envs=1)
    agent: Any = RecurrentPPO(
        "MlpLstmPolicy", worlds, n_steps=64, batch_size=64, n_epochs=1, seed=0, device="cpu"
    )
    agent.learn(64)
    starts = agent.rollout_buffer.episode_starts.reshape(-1)
    begins = agent.rollout_buffer.observations.reshape(64, -1)[:, 7]
    # Beginnings of episodes that are told within a trial are no starts for the LSTM.
    assert begins.sum() >= 2
    assert starts.sum() >= 2
    assert not (starts * begins).any()


def test_a_twin_has_contexts_of_its_own() -> None:
    worlds = make()
    other = worlds.twin(make_vec_env(f"{STREAM},frozen_at=0", 1, seed=0))
    assert other.observation_space == worlds.observation_space
    assert (other.episodes, other.replay) == (2, None)
    assert any("trial" in step[3][0] for step in live(other, 40))


@pytest.mark.parametrize(
    "sampling",
    [LevelSampling(), pytest.param(LevelSampling("uniform"), marks=pytest.mark.slow)],
)
def test_from_a_checkpoint_it_goes_on_to_the_last_bit(
    sampling: LevelSampling, tmp_path: Path
) -> None:
    def build() -> Any:
        settings: dict[str, Any] = {"n_steps": 32, "batch_size": 32, "n_epochs": 1, "seed": 0}
        worlds = make(sampling=sampling)
        return RecurrentPPO("MlpLstmPolicy", worlds, **settings, device="cpu")

    whole, second = build(), build()
    whole.learn(2 * 64)
    save_checkpoint(whole, tmp_path)
    whole.learn(3 * 64, reset_num_timesteps=False)
    load_checkpoint(tmp_path, second)
    second.learn(3 * 64, reset_num_timesteps=False)
    for one, other in zip(whole.policy.parameters(), second.policy.parameters(), strict=True):
        assert torch.equal(one, other)
    assert whole.env._level.tolist() == second.env._level.tolist()
    np.testing.assert_array_equal(whole.env.replay.scores, second.env.replay.scores)


def test_settings_that_cannot_be_used() -> None:
    with pytest.raises(SettingsError, match="a trial has 1 or more episodes, not 0"):
        make(episodes=0)
    with pytest.raises(SettingsError, match="there must be a level at least"):
        make(levels=[])
    with pytest.raises(SettingsError, match="each level must have a value for cartpole-force"):
        make(levels=[{"wind": 1.0}])
    plain = DummyVecEnv([lambda: gymnasium.make("CartPole-v1")])
    with pytest.raises(SettingsError, match="levels need the worlds of a stream"):
        Trials(plain, levels=LEVELS)
    ant = make_vec_env("everlearn/SlipperyAnt-v0", 1, seed=0, backend="envpool")
    with pytest.raises(SettingsError, match="rebuilt to change them, so ask for another back end"):
        Trials(ant, levels=[{"friction": 1.0}])


def test_worlds_that_tell_nothing_of_episodes_are_refused() -> None:
    worlds = Trials(DummyVecEnv([lambda: gymnasium.make("CartPole-v1")]), episodes=2)
    with pytest.raises(SettingsError, match="wrap them in stable-baselines3's VecMonitor"):
        live(worlds, 20)


def test_an_agent_that_scores_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everlearn.agents.rl_squared.trials._LONGEST_ROLLOUT", 5)
    with pytest.raises(SettingsError, match="this agent scores no levels"):
        live(make(), 6)
    live(make(sampling=LevelSampling("uniform")), 6)


def test_a_seed_below_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="seed of trials must be 0 or more, not -1"):
        make(seed=-1)
