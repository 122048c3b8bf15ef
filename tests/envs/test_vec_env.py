import warnings
from typing import get_args

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.env_util import make_vec_env as make_sb3_vec_env
from stable_baselines3.common.monitor import Monitor

from everlearn.envs import Stream, make_vec_env
from everlearn.envs.backends import Backend
from everlearn.envs.vec_env import StreamVecEnv
from everlearn.wrappers.errors import SettingsError

ANT = "everlearn/SlipperyAnt-v0"


class Countdown(gymnasium.Env):
    """Ends each episode after a length from a list; an observation counts steps, never resets."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,))
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, lengths: list[int], truncate: bool) -> None:
        self.lengths, self.truncate = lengths, truncate
        self.episode, self.step_in_episode = -1, 0

    def reset(self, *, seed=None, options=None):  # type: ignore[no-untyped-def]
        super().reset(seed=seed)
        self.episode += 1
        self.step_in_episode = 0
        return self._observe(), {}

    def step(self, action):  # type: ignore[no-untyped-def]
        self.step_in_episode += 1
        ended = self.step_in_episode == self.lengths[self.episode % len(self.lengths)]
        reward = float(self.step_in_episode)
        return self._observe(), reward, ended and not self.truncate, ended and self.truncate, {}

    def _observe(self) -> np.ndarray:
        return np.array([self.episode, self.step_in_episode], dtype=np.float32)


@given(
    st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=4), min_size=1, max_size=3),
    st.booleans(),
)
@settings(max_examples=50, deadline=None)
def test_every_episode_is_told_exactly(lengths: list[list[int]], truncate: bool) -> None:
    worlds = SyncVectorEnv(
        [lambda own=own: Countdown(own, truncate) for own in lengths],  # type: ignore[misc]
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    venv = StreamVecEnv(worlds, seed=0)
    observations = venv.reset()
    expected = np.zeros((len(lengths), 2))
    for _ in range(12):
        np.testing.assert_array_equal(observations, expected)
        observations, rewards, dones, infos = venv.step(np.zeros(len(lengths), dtype=int))
        expected[:, 1] += 1
        np.testing.assert_array_equal(rewards, expected[:, 1])
        for i, own in enumerate(lengths):
            length = own[int(expected[i, 0]) % len(own)]
            assert dones[i] == (expected[i, 1] == length)
            if dones[i]:
                np.testing.assert_array_equal(infos[i]["terminal_observation"], expected[i])
                assert infos[i]["TimeLimit.truncated"] is truncate
                assert infos[i]["episode"]["l"] == length
                assert infos[i]["episode"]["r"] == length * (length + 1) / 2
                expected[i] = (expected[i, 0] + 1, 0)
            else:
                assert "episode" not in infos[i]


@pytest.mark.parametrize("backend", ["gymnasium", "envpool", "native"])
def test_every_back_end_tells_the_stream(backend: Backend) -> None:
    venv = make_vec_env(ANT, n_envs=2, seed=0, backend=backend, change_every=10)
    venv.reset()
    frictions = [venv.reset_infos[0]["context"]["friction"]]
    for _ in range(12):
        _, _, dones, infos = venv.step(np.zeros((2, 8)))
        frictions.append(infos[1]["context"]["friction"])
        if infos[0]["changed"] and backend == "envpool":
            assert dones.all()
            assert infos[0]["TimeLimit.truncated"]
    assert len(set(frictions)) == 3
    assert [infos[0]["segment"], infos[0]["steps_since_change"]] == [2, 4]
    venv.close()


def test_all_back_ends_see_the_same_frictions() -> None:
    seen = []
    for backend in get_args(Backend):
        venv = make_vec_env(ANT, n_envs=2, seed=7, backend=backend, change_every=6)
        venv.reset()
        steps = [venv.step(np.zeros((2, 8)))[3] for _ in range(20)]
        seen.append([infos[0]["context"]["friction"] for infos in steps])
        venv.close()
    assert seen[0] == seen[1] == seen[2] == seen[3]


@pytest.mark.parametrize("backend", ["gymnasium", "native"])
def test_without_changes_it_steps_like_sb3s_own(backend: Backend) -> None:
    world = Stream(name="plain", worlds=("Ant-v5",))
    ours = make_vec_env(world, n_envs=2, seed=3, backend=backend)
    theirs = make_sb3_vec_env("Ant-v5", n_envs=2, seed=3)
    np.testing.assert_array_equal(ours.reset(), theirs.reset())
    episodes = 0
    for actions in np.random.default_rng(0).uniform(-1, 1, size=(150, 2, 8)):
        for mine, other in zip(ours.step(actions)[:3], theirs.step(actions)[:3], strict=True):
            np.testing.assert_array_equal(mine, other)
        episodes += sum("episode" in info for info in theirs.buf_infos)  # type: ignore[attr-defined]
    assert episodes > 0


def test_attributes_are_reached_or_refused() -> None:
    venv = make_vec_env(ANT, n_envs=2, seed=0, backend="gymnasium")
    assert venv.get_attr("clock") == [0, 0]
    assert len(venv.get_attr("model")) == 2
    assert venv.env_is_wrapped(Monitor) == [True, True]
    native = make_vec_env(ANT, n_envs=2, seed=0, backend="envpool")
    with pytest.raises(AttributeError, match="inside native worlds"):
        native.set_attr("model", None)
    with pytest.raises(AttributeError, match="inside native worlds"):
        native.env_method("state_vector")
    assert len(venv.env_method("state_vector") if venv.reset() is not None else []) == 2


def test_next_step_autoreset_is_refused() -> None:
    with pytest.raises(SettingsError, match="same-step autoreset"):
        StreamVecEnv(SyncVectorEnv([lambda: Countdown([3], True)]))


def test_unknown_back_ends_and_no_copies_are_refused() -> None:
    with warnings.catch_warnings(), pytest.raises(SettingsError, match="did you mean 'envpool'"):
        make_vec_env(ANT, backend="envpol")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="at least 1"):
        make_vec_env(ANT, n_envs=0)


def test_normalized_worlds_tell_unscaled_returns() -> None:
    told = []
    for normalize in (False, True):
        venv = make_vec_env(ANT, n_envs=2, seed=0, normalize=normalize)
        venv.reset()
        episodes = []
        for action in np.random.default_rng(0).uniform(-1, 1, size=(150, 2, 8)):
            _, _, _, infos = venv.step(action)
            episodes += [info["episode"]["r"] for info in infos if "episode" in info]
        told.append(episodes)
        bounded = float(venv.observation_space.high.max()) == 10.0  # type: ignore[attr-defined]
        assert bounded == normalize
        venv.close()
    assert told[0] == told[1]
    assert told[0]
