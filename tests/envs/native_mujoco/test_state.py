"""Saved and restored, a native world goes on to the last bit, in another process too."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from everlearn.envs.native_mujoco import NativeMujocoWorlds, native_worlds
from everlearn.wrappers.errors import SettingsError

N_COPIES = 2
N_STEPS = 200
CONTEXT = {"actuator-gain-scale": [0.3, 0.9], "timestep": [0.004, 0.005]}

RESUME = """
import pickle, sys
import numpy as np
from everlearn.envs.native_mujoco import NativeMujocoWorlds
saved = pickle.load(sys.stdin.buffer)
records = {}
for world, (state, actions) in saved.items():
    worlds = NativeMujocoWorlds(world, len(state["elapsed_steps"]), n_threads=1)
    worlds.set_state(state)
    records[world] = [np.concatenate(
        [part.reshape(-1).astype(float) for part in worlds.step(action)[:4]]) for action in actions]
    worlds.close()
pickle.dump(records, sys.stdout.buffer)
"""


def begin(world: str) -> tuple[NativeMujocoWorlds, np.ndarray]:
    worlds = NativeMujocoWorlds(world, N_COPIES)
    worlds.reset(seed=3)
    worlds.action_space.seed(0)
    actions = np.array([worlds.action_space.sample() for _ in range(N_STEPS)])
    worlds.set_context(CONTEXT)
    for action in actions[:50]:
        worlds.step(action)
    return worlds, actions


def roll(worlds: NativeMujocoWorlds, actions: np.ndarray) -> np.ndarray:
    """Return observations, rewards and endings, a row a step."""
    return np.array(
        [
            np.concatenate([part.reshape(-1).astype(float) for part in worlds.step(action)[:4]])
            for action in actions
        ]
    )


@pytest.mark.parametrize("world", native_worlds())
def test_restored_goes_on_to_the_last_bit(world: str) -> None:
    worlds, actions = begin(world)
    state = worlds.get_state()
    first = roll(worlds, actions)
    worlds.set_context({"actuator-gain-scale": 2.0, "mass-scale": 0.5})
    worlds.reset(seed=8)
    roll(worlds, actions[:5])
    worlds.set_state(state)
    np.testing.assert_array_equal(first, roll(worlds, actions))
    assert {name: row.tolist() for name, row in worlds.read_context().items()} == CONTEXT
    worlds.close()


def test_another_process_goes_on_to_the_last_bit() -> None:
    saved: dict[str, Any] = {}
    expected = {}
    for world in native_worlds():
        worlds, actions = begin(world)
        saved[world] = (worlds.get_state(), actions)
        expected[world] = roll(worlds, actions)
        worlds.close()
    finished = subprocess.run(
        [sys.executable, "-P", "-c", RESUME],
        input=pickle.dumps(saved),
        capture_output=True,
        check=True,
    )
    records = pickle.loads(finished.stdout)
    for world in native_worlds():
        np.testing.assert_array_equal(expected[world], np.array(records[world]), err_msg=world)


def test_the_position_before_the_next_step_is_restored() -> None:
    """Ant's speed starts from where MuJoCo last put its torso, which is not where `qpos` says."""
    worlds, actions = begin("Ant-v5")
    state = worlds.get_state()
    speed = worlds.step(actions[0])[4]["x_velocity"]
    fresh = NativeMujocoWorlds("Ant-v5", N_COPIES)
    fresh.set_state(state)
    # A context written after the restore reads the torso again.
    fresh.set_context(CONTEXT)
    np.testing.assert_array_equal(fresh.step(actions[0])[4]["x_velocity"], speed)
    worlds.close()
    fresh.close()


def test_a_state_is_a_copy_of_plain_values(tmp_path: Path) -> None:
    worlds, actions = begin("Hopper-v5")
    state = worlds.get_state()
    before = pickle.dumps(state)
    roll(worlds, actions[:20])
    assert pickle.dumps(state) == before
    worlds.close()


def test_the_time_limit_goes_on_counting() -> None:
    worlds = NativeMujocoWorlds("HalfCheetah-v5", 1, max_episode_steps=10)
    worlds.reset(seed=0)
    action = np.zeros((1, 6))
    for _ in range(7):
        worlds.step(action)
    fresh = NativeMujocoWorlds("HalfCheetah-v5", 1, max_episode_steps=10)
    fresh.set_state(worlds.get_state())
    assert [bool(fresh.step(action)[3][0]) for _ in range(3)] == [False, False, True]
    worlds.close()
    fresh.close()


def test_the_state_of_other_worlds_is_refused() -> None:
    ant = NativeMujocoWorlds("Ant-v5", 1)
    for other in (NativeMujocoWorlds("Ant-v5", 2), NativeMujocoWorlds("Hopper-v5", 1)):
        with pytest.raises(SettingsError, match="this is a state of 1 copies of 'Ant-v5'"):
            other.set_state(ant.get_state())
