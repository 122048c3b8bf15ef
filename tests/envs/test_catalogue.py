"""What every stream of the catalogue must keep, whatever it changes."""

import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import gymnasium
import numpy as np
import pytest

from everlearn.envs import Stream, make_stream, make_vec_env, make_vector_env
from everlearn.envs.catalogue import CATALOGUE
from everlearn.envs.registration import WORLDS

N_ENVS = 2
QUICK: dict[str, dict[str, Any]] = {
    "everlearn/SlipperyAnt-v0": {"change_every": 60},
    "everlearn/HalfCheetahVelocity-v0": {"mean_length": 15, "noise": 0.0},
    "everlearn/HalfCheetahDirection-v0": {"mean_length": 15},
    "everlearn/AntDirection-v0": {"mean_length": 15, "noise": 0.0},
    "everlearn/AntGoal-v0": {"mean_length": 15},
    "everlearn/WalkerPhysics-v0": {"mean_length": 8},
    "everlearn/HopperPhysics-v0": {"mean_length": 8},
    "everlearn/CartPoleForceSign-v0": {"mean_length": 8},
    "everlearn/CartPoleForces-v0": {"episodes": 1},
    "everlearn/ReactiveCartPole-v0": {"change_every": 30},
    "everlearn/CataclysmicCartPole-v0": {},
    "everlearn/LegBreakAnt-v0": {"earliest": 5, "latest": 10},
    "everlearn/LifelongCartPole-v0": {"change_every": 30},
    "everlearn/LifelongAcrobot-v0": {"change_every": 30},
    "everlearn/LifelongLunarLander-v0": {"change_every": 30},
    "everlearn/DriftingHalfCheetah-v0": {},
    "everlearn/SwitchingBandit-v0": {"probability": 0.05},
    "everlearn/HiddenArm-v0": {"episodes": 1},
    "everlearn/SwitchingChain-v0": {"probability": 0.05},
    "everlearn/CW10-v0": {"steps_per_task": 20},
    "everlearn/CW20-v0": {"steps_per_task": 20},
    "everlearn/CW3-v0": {"steps_per_task": 20},
    "everlearn/Atari6-v0": {"steps_per_task": 20},
    "everlearn/MiniGridSequence-v0": {"steps_per_task": 20},
    "everlearn/WalkerCycle-v0": {"steps_per_task": 20},
    "everlearn/WalkerCheetahCycle-v0": {"steps_per_task": 20},
}
LATE = {"everlearn/CataclysmicCartPole-v0", "everlearn/DriftingHalfCheetah-v0"}
"""Streams that change later than the short rolls here reach."""


def quick(name: str) -> Stream:
    return make_stream(name, **QUICK[name])


def test_every_stream_is_tested_here() -> None:
    assert set(QUICK) == set(CATALOGUE)


@pytest.mark.parametrize("name", CATALOGUE)
def test_it_is_data(name: str) -> None:
    stream = quick(name)
    assert stream.name == name
    for again in (Stream.from_json(stream.to_json()), pickle.loads(pickle.dumps(stream))):
        assert again == stream
        assert again.hash() == stream.hash()
        assert again.table(300, seed=3) == stream.table(300, seed=3)


def tables(texts: list[str]) -> list[list[Any]]:
    return [Stream.from_json(text).table(300, seed=3) for text in texts]


def test_tables_are_the_same_in_another_process() -> None:
    streams = [quick(name) for name in CATALOGUE]
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        elsewhere = pool.submit(tables, [stream.to_json() for stream in streams]).result()
    assert elsewhere == [stream.table(300, seed=3) for stream in streams]


def roll(stream: Stream, n_steps: int, seed: int = 3) -> tuple[list[Any], list[Any], list[dict]]:
    env = make_vector_env(stream, N_ENVS)
    observations, info = env.reset(seed=seed)
    env.action_space.seed(0)
    seen, rewards, infos = [np.array(observations)], [], [info]
    for _ in range(n_steps):
        observations, reward, _, _, info = env.step(env.action_space.sample())
        seen.append(np.array(observations))
        rewards.append(np.array(reward))
        infos.append(info)
    env.close()
    return seen, rewards, infos


@pytest.mark.parametrize("name", CATALOGUE)
def test_equal_to_its_frozen_twin_before_the_first_change_and_not_after(name: str) -> None:
    stream = quick(name)
    if any(change.scope == "independent" for change in stream.changes):
        # Each copy draws for itself; the twin has the first copy's context.
        copies = slice(0, 1)
    else:
        copies = slice(None)
    # With some seeds CartPole's first draws of the force's sign come to the same.
    seed = 9 if name == "everlearn/CartPoleForceSign-v0" else 3
    seen, rewards, infos = roll(stream, 60, seed)
    twin_seen, twin_rewards, twin_infos = roll(stream.frozen(seed=seed), 60, seed)
    landed = [bool(info["changed"][copies].any()) for info in infos]
    first = landed.index(True) if True in landed else len(landed)
    assert (name in LATE) == (first == len(landed))
    for step in range(first):
        np.testing.assert_array_equal(seen[step][copies], twin_seen[step][copies])
    for step in range(first - 1):
        np.testing.assert_array_equal(rewards[step][copies], twin_rewards[step][copies])
    assert not any(info["changed"].any() for info in twin_infos)
    if name not in LATE:
        after = zip(
            [*seen[first:], *rewards[first:]],
            [*twin_seen[first:], *twin_rewards[first:]],
            strict=True,
        )
        assert any((one[copies] != other[copies]).any() for one, other in after)


@pytest.mark.parametrize("name", CATALOGUE)
def test_info_tells_what_the_table_says(name: str) -> None:
    stream = quick(name)
    if any(change.clock in ("episode", "episodes") for change in stream.changes):
        pytest.skip("where episodes end is not in the table")
    _, _, infos = roll(stream, 40)
    rows = stream.table(40 * N_ENVS + 1, seed=3, n_envs=N_ENVS)
    for step, info in enumerate(infos):
        row = [row for row in rows if row.step <= step * N_ENVS][-1]
        assert {knob: values[0] for knob, values in info["context"].items()} == row.context


@pytest.mark.parametrize("name", CATALOGUE)
def test_runs_repeat_and_copies_differ(name: str) -> None:
    first, second = (roll(quick(name), 20)[0] for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    # Their observations are constant.
    alike = {"everlearn/SwitchingBandit-v0", "everlearn/HiddenArm-v0"}
    if name not in alike:
        assert any((step[0] != step[1]).any() for step in first)


def test_boundary_labels_in_training_only() -> None:
    stream = quick("everlearn/HalfCheetahVelocity-v0")
    for training in (True, False):
        venv = make_vec_env(stream, n_envs=1, seed=0, training=training)
        venv.reset()
        infos = [venv.step(np.zeros((1, 6)))[3][0] for _ in range(30)]
        assert any("boundary" in info for info in infos) == training
        assert any(info["changed"] for info in infos)
        venv.close()


@pytest.mark.parametrize("name", WORLDS)
def test_our_own_worlds_are_known(name: str) -> None:
    env = gymnasium.make(name)
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)


def test_an_endless_pole_never_ends_and_stays_on_its_track() -> None:
    env = gymnasium.make("everlearn/EndlessCartPole-v0").unwrapped
    env.reset(seed=0)
    fallen = 0
    for step in range(3000):
        observation, reward, terminated, _, _ = env.step(int(step % 97 < 60))
        assert not terminated
        assert abs(observation[0]) <= np.float32(2.4)
        assert abs(observation[2]) <= np.float32(np.pi)
        fallen += float(reward) < -80
    assert fallen > 0
    before = observation
    np.testing.assert_array_equal(env.reset()[0], before)


def test_a_tilted_track_pulls_the_cart_downhill() -> None:
    places = []
    for angle in (-10.0, 0.0, 10.0):
        env: Any = gymnasium.make("everlearn/TiltedCartPole-v0").unwrapped
        env.reset(seed=0)
        env.state = np.zeros(4)
        env.track_angle = angle
        for _ in range(5):
            env.step(np.zeros(1, dtype=np.float32))
        places.append(env.state[0])
    assert places[0] > 1e-3
    assert abs(places[1]) < 1e-9
    assert places[2] < -1e-3


def test_an_upright_pole_on_a_tilted_track_falls_like_one_on_a_level_one() -> None:
    """With no gravity along the track compensated, only the angle to the vertical counts."""
    env: Any = gymnasium.make("everlearn/TiltedCartPole-v0").unwrapped
    env.reset(seed=0)
    env.track_angle = 10.0
    tilt = np.radians(10.0)
    env.state = np.array([0.0, 0.0, tilt, 0.0])
    holding = env.total_mass * env.gravity * np.sin(tilt) / env.force_mag
    env.step(np.array([holding], dtype=np.float32))
    np.testing.assert_allclose(env.state, [0.0, 0.0, tilt, 0.0], atol=1e-6)


def test_never_stopping_to_learn_pays_on_the_switching_bandit() -> None:
    """Abel et al. 2023: a constant step size beats an averaging one if and only if arms switch."""

    def mean_reward(probability: float, constant: bool) -> float:
        total = 0.0
        for seed in range(5):
            env = gymnasium.make("everlearn/SwitchingBandit-v0", probability=probability)
            env.reset(seed=seed)
            generator = np.random.default_rng(seed)
            values, counts = np.zeros(2), np.zeros(2)
            for _ in range(4000):
                greedy = generator.random() >= 0.1
                arm = int(values.argmax()) if greedy else int(generator.integers(2))
                _, reward, _, truncated, _ = env.step(arm)
                if truncated:
                    env.reset()
                counts[arm] += 1
                step_size = 0.1 if constant else 1 / counts[arm]
                values[arm] += step_size * (float(reward) - values[arm])
                total += float(reward)
        return total / (5 * 4000)

    # Measured with 10 seeds and 20,000 steps: 0.690 against 0.513 at 1e-2, a tie without switches.
    assert mean_reward(0.01, constant=True) > mean_reward(0.01, constant=False) + 0.08
    assert abs(mean_reward(1e-9, constant=True) - mean_reward(1e-9, constant=False)) < 0.03
