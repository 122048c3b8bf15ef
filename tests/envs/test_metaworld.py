"""Meta-World as Continual World has it, and the fault of envpool's that is worked around."""

import os
from typing import Any

import envpool
import numpy as np
import pytest

from everlearn.envs.envpool_worlds import EnvPoolWorlds
from everlearn.envs.metaworld import CW10, DEFAULTS, DRIFTING, Successes
from everlearn.envs.vec_env import StreamVecEnv

GOAL = slice(36, 39)
BOX = 0.6
"""Metres: no task places its goals further apart than 0.26."""


def spread(goals: list[np.ndarray]) -> float:
    """Return the longest side of the box around all goals."""
    return float(np.ptp(np.concatenate(goals), axis=0).max())


def no_motion(n_envs: int) -> np.ndarray:
    return np.zeros((n_envs, 4), dtype=np.float32)


@pytest.mark.parametrize("world", CW10)
def test_goals_stay_on_the_table(world: str) -> None:
    worlds = EnvPoolWorlds(world, 2, max_episode_steps=2)
    goals = [worlds.reset(seed=0)[0][:, GOAL]]
    for _ in range(10):
        worlds.step(no_motion(2))
        goals.append(worlds.step(no_motion(2))[0][:, GOAL])
    goals.append(worlds.reset()[0][:, GOAL])
    worlds.close()
    assert np.abs(goals[0]).max() > 0, "the goal is hidden"
    assert spread(goals) < BOX


@pytest.mark.parametrize("world", DRIFTING)
def test_envpool_still_lets_goals_drift(world: str) -> None:
    pool: Any = envpool.make_gymnasium(world, num_envs=1, seed=0, **DEFAULTS)
    goals = [pool.reset()[0][:, GOAL] for _ in range(10)]
    pool.close()
    assert spread(goals) > 3, f"{world} has been mended: take it off DRIFTING"


@pytest.mark.parametrize("world", ["MetaWorld/Hammer-v3", "MetaWorld/Push-v3"])
def test_a_seed_decides_everything_and_copies_differ(world: str) -> None:
    def roll(seed: int) -> np.ndarray:
        worlds = EnvPoolWorlds(world, 3, max_episode_steps=5)
        observations = [worlds.reset(seed=seed)[0]]
        for actions in np.random.default_rng(0).uniform(-1, 1, size=(12, 3, 4)):
            observations.append(worlds.step(actions)[0].copy())
        worlds.close()
        return np.stack(observations)

    first = roll(0)
    np.testing.assert_array_equal(first, roll(0))
    assert np.abs(first - roll(1)).max() > 0.01
    # Neither copies nor episodes begin alike.
    beginnings = np.concatenate([first[0], first[5], first[10]])
    assert len(np.unique(beginnings, axis=0)) == 9


def test_one_copys_new_episode_leaves_the_others_alone() -> None:
    worlds, undisturbed = (EnvPoolWorlds("MetaWorld/Hammer-v3", 2) for _ in range(2))
    worlds.reset(seed=0)
    expected = undisturbed.reset(seed=0)[0]
    for step, actions in enumerate(np.random.default_rng(0).uniform(-1, 1, size=(6, 2, 4))):
        if step == 3:
            observations, info = worlds.reset(options={"reset_mask": np.array([True, False])})
            np.testing.assert_array_equal(observations[1], expected[1])
            assert info["_success"].tolist() == [True, False]
        observations = worlds.step(actions)[0]
        expected = undisturbed.step(actions)[0]
        np.testing.assert_array_equal(observations[1], expected[1])
        assert (step < 3) == np.array_equal(observations[0], expected[0])
    worlds.close()
    undisturbed.close()


def test_episodes_last_200_steps_and_tell_success_at_their_end() -> None:
    venv = StreamVecEnv(EnvPoolWorlds("MetaWorld/HandlePressSide-v3", 2), seed=0)
    venv.reset()
    for step in range(1, 401):
        _, rewards, dones, infos = venv.step(np.full((2, 4), -0.1))
        assert dones.tolist() == [step % 200 == 0] * 2
        for info in infos:
            assert isinstance(info["success"], bool)
            assert ("success_any" in info) == ("success_final" in info) == (step % 200 == 0)
        assert np.isfinite(rewards).all()
    venv.close()


def test_both_rules_of_success() -> None:
    """An episode of three steps that succeeds at its second only, then one that never does."""
    successes = Successes(1)
    no, yes = np.array([False]), np.array([True])
    assert successes.tell(no, ended=no) == {}
    assert successes.tell(yes, ended=no) == {}
    told = successes.tell(no, ended=yes)
    assert (told["success_any"].tolist(), told["success_final"].tolist()) == ([True], [False])
    told = successes.tell(no, ended=yes)
    assert (told["success_any"].tolist(), told["success_final"].tolist()) == ([False], [False])
    successes.tell(yes, ended=no)
    successes.forget(yes)
    assert not successes.tell(no, ended=yes)["success_any"][0]
    assert successes.tell(yes, ended=yes)["success_final"][0]


def test_many_pools_leave_no_thread_and_no_memory() -> None:
    worlds = EnvPoolWorlds("MetaWorld/ShelfPlace-v3", 2, max_episode_steps=1)
    worlds.reset(seed=0)
    for _ in range(10):
        worlds.step(no_motion(2))
    threads, memory = len(os.listdir("/proc/self/task")), resident_megabytes()
    for _ in range(60):
        worlds.step(no_motion(2))
    assert len(os.listdir("/proc/self/task")) == threads
    # 120 pools of some 30 megabytes each would be 3600.
    assert resident_megabytes() < memory + 300
    worlds.close()
    assert len(os.listdir("/proc/self/task")) < threads


def resident_megabytes() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
