"""Settings that cannot be used, and what threads may not change."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from everlearn.envs.native_mujoco import NativeMujocoWorlds, register_task
from everlearn.envs.native_mujoco.crew import Crew
from everlearn.envs.native_mujoco.tasks import Ant, Hopper
from everlearn.wrappers.errors import SettingsError


@pytest.mark.parametrize("world", ["Ant-v5", "InvertedDoublePendulum-v5"])
def test_the_number_of_threads_changes_no_bit(world: str) -> None:
    records = []
    for n_threads in (1, 2, 3):
        worlds = NativeMujocoWorlds(world, 5, n_threads=n_threads)
        worlds.reset(seed=0)
        worlds.action_space.seed(0)
        record = []
        for _ in range(100):
            observations, rewards, terminated, _, _ = worlds.step(worlds.action_space.sample())
            record.append(np.concatenate([observations.ravel(), rewards, terminated]))
        worlds.close()
        records.append(np.array(record))
    np.testing.assert_array_equal(records[0], records[1])
    np.testing.assert_array_equal(records[0], records[2])


@pytest.mark.parametrize(
    ("world", "settings", "message"),
    [
        ("Ant-v6", {}, "unknown native MuJoCo world 'Ant-v6': did you mean 'Ant-v5'"),
        ("CartPole-v1", {}, "unknown native MuJoCo world"),
        ("Ant-v5", {"healthy_rewad": 1.0}, "did you mean 'healthy_reward'"),
        ("Ant-v5", {"camera_name": "track"}, "unknown setting of native MuJoCo world 'Ant-v5'"),
        ("Ant-v5", {"render_mode": "rgb_array"}, "render_mode must be None"),
        ("Ant-v5", {"frame_skip": 0}, "frame_skip must be a whole number above 0"),
        ("Ant-v5", {"num_envs": 0}, "number of copies must be at least 1"),
        ("Ant-v5", {"n_threads": 0}, "number of threads must be at least 1"),
        ("Ant-v5", {"max_episode_steps": 0}, "max_episode_steps must be above 0"),
    ],
)
def test_wrong_settings_are_refused(world: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        NativeMujocoWorlds(world, **settings)


def test_wrong_calls_are_refused() -> None:
    worlds = NativeMujocoWorlds("Hopper-v5", 2)
    with pytest.raises(ResetNeeded):
        worlds.step(np.zeros((2, 3)))
    with pytest.raises(ResetNeeded):
        worlds.reset(options={"reset_mask": np.array([True, False])})
    worlds.reset(seed=0)
    with pytest.raises(ValueError, match="actions must have the shape"):
        worlds.step(np.zeros((2, 4)))
    with pytest.raises(SettingsError, match="as many seeds"):
        worlds.reset(seed=[1, 2, 3])
    with pytest.raises(SettingsError, match="reset_mask"):
        worlds.reset(options={"reset_mask": np.array([False, False])})
    with pytest.raises(SettingsError, match="reset_mask"):
        worlds.reset(options={"reset_mask": np.array([True])})


def test_a_taken_id_is_refused() -> None:
    register_task("Ant-v5", Ant)
    with pytest.raises(SettingsError, match="'Ant-v5' is registered already"):
        register_task("Ant-v5", Hopper)


def test_results_are_not_overwritten_by_later_steps() -> None:
    worlds = NativeMujocoWorlds("Ant-v5", 2)
    worlds.reset(seed=0)
    observations, rewards, terminated, truncated, info = worlds.step(np.ones((2, 8)))
    kept = [observations, rewards, terminated, truncated, *info.values()]
    copies = [array.copy() for array in kept]
    for _ in range(5):
        worlds.step(np.ones((2, 8)))
    for array, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    worlds.close()


def test_closing_stops_the_threads() -> None:
    worlds = NativeMujocoWorlds("Hopper-v5", 3, n_threads=3)
    worlds.reset(seed=0)
    worlds.step(np.zeros((3, 3)))
    threads = list(worlds.copies._crew._threads)  # type: ignore[attr-defined]
    assert len(threads) == 2
    worlds.close()
    worlds.close()
    assert not any(thread.is_alive() for thread in threads)


def test_threads_end_with_worlds_that_nobody_closed() -> None:
    worlds = NativeMujocoWorlds("Hopper-v5", 2, n_threads=2)
    worlds.reset(seed=0)
    worlds.step(np.zeros((2, 3)))
    (thread,) = worlds.copies._crew._threads  # type: ignore[attr-defined]
    del worlds
    thread.join(timeout=5)
    assert not thread.is_alive()


@pytest.mark.parametrize("n_threads", [1, 3])
def test_an_error_in_a_job_is_raised_and_the_crew_goes_on(n_threads: int) -> None:
    done = np.zeros(8, dtype=int)
    broken = {5}

    def job(number: int) -> None:
        if number in broken:
            raise ArithmeticError("five")
        done[number] += 1

    crew = Crew([partial(job, number) for number in range(8)], n_threads)
    with pytest.raises(ArithmeticError, match="five"):
        crew.run()
    broken.clear()
    done[:] = 0
    crew.run()
    assert done.tolist() == [1] * 8
    crew.close()
