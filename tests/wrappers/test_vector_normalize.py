from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers.vector import NormalizeObservation, NormalizeReward

from everlearn.envs import make_vector_env
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.vector_normalize import VectorNormalize

N_ENVS = 4


def worlds(limit: int = 37, mode: AutoresetMode = AutoresetMode.SAME_STEP) -> VectorEnv:
    return SyncVectorEnv(
        [lambda: gymnasium.make("HalfCheetah-v5", max_episode_steps=limit)] * N_ENVS,
        autoreset_mode=mode,
    )


def actions(n_steps: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, size=(n_steps, N_ENVS, 6))


def test_observations_come_to_what_gymnasiums_wrapper_makes_of_them() -> None:
    """Both take in each step's rows; gymnasium's also counts the first, and 1e-4 rows of (0, 1)."""
    ours = VectorNormalize(worlds(10**6), rewards=False, update_every=1, clip=1e9)
    theirs = NormalizeObservation(worlds(10**6, AutoresetMode.NEXT_STEP))
    ours.reset(seed=0)
    theirs.reset(seed=0)
    for action in actions(400):
        mine, other = ours.step(action)[0], theirs.step(action)[0]
    np.testing.assert_allclose(mine, other, atol=0.02)


def test_rewards_come_to_what_gymnasiums_wrapper_makes_of_them() -> None:
    ours = VectorNormalize(worlds(10**6), observations=False, update_every=1, clip=1e9)
    theirs = NormalizeReward(worlds(10**6, AutoresetMode.NEXT_STEP), gamma=0.99)
    ours.reset(seed=0)
    theirs.reset(seed=0)
    for action in actions(400):
        mine, other = ours.step(action)[1], theirs.step(action)[1]
    np.testing.assert_allclose(mine, other, rtol=1e-3)


@pytest.mark.parametrize("update_every", [1, 7, 16])
def test_moments_are_those_of_all_that_was_seen(update_every: int) -> None:
    env = VectorNormalize(worlds(10**6), update_every=update_every)
    raw = worlds(10**6)
    env.reset(seed=0)
    raw.reset(seed=0)
    seen = []
    for action in actions(31 if update_every == 16 else 35):
        env.step(action)
        seen.append(raw.step(action)[0])
    state = env.get_state()
    rows = np.concatenate(seen)[: state["count"]]
    assert state["count"] > 0
    np.testing.assert_allclose(state["mean"][:-1], rows.mean(axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(state["squares"][:-1] / len(rows), rows.var(axis=0), rtol=1e-9)


def test_last_observations_are_scaled_like_the_others() -> None:
    env, raw = VectorNormalize(worlds()), worlds()
    env.reset(seed=0)
    raw.reset(seed=0)
    endings = 0
    for action in actions(80):
        _, _, _, truncated, info = env.step(action)
        told = raw.step(action)[4]
        if truncated.any():
            endings += 1
            for mine, other in zip(info["final_obs"], told["final_obs"], strict=True):
                np.testing.assert_array_equal(mine, env._scaled(other))
    assert endings == 2


def test_frozen_it_looks_at_nothing() -> None:
    env = VectorNormalize(worlds())
    env.reset(seed=0)
    for action in actions(20):
        env.step(action)
    env.training = False
    before = env.get_state()
    for action in actions(40):
        env.step(action)
    after = env.get_state()
    np.testing.assert_array_equal(before["mean"], after["mean"])
    assert before["count"] == after["count"]


@pytest.mark.parametrize("at_change", ["carry", "reset"])
def test_a_change_carries_or_resets_the_statistics(at_change: Any) -> None:
    stream = make_vector_env("everlearn/SlipperyAnt-v0", 2, change_every=40)
    env = VectorNormalize(stream, at_change=at_change)
    env.reset(seed=0)
    for _ in range(25):
        env.step(env.action_space.sample())
    assert (env.get_state()["count"] < 2 * 8) == (at_change == "reset")


def test_it_goes_on_from_its_state() -> None:
    one, other = (VectorNormalize(worlds()) for _ in range(2))
    one.reset(seed=0)
    other.reset(seed=0)
    for action in actions(21):
        one.step(action)
        other.env.step(action)
    other.set_state(one.get_state())
    for action in actions(60):
        first, second = one.step(action), other.step(action)
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"gamma": 1.1}, "gamma must be from 0 to 1"),
        ({"clip": 0}, "clip must be above 0"),
        ({"update_every": 0}, "update_every must be a whole number"),
        ({"at_change": "carri"}, "did you mean 'carry'"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        VectorNormalize(worlds(), **settings)
