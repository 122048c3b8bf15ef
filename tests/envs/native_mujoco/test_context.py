"""Knobs turned inside native worlds: in place, exact, as in gymnasium's own worlds."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from everlearn.envs.native_mujoco import NativeMujocoWorlds, native_worlds
from everlearn.wrappers.change import Change
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.schedules import At
from everlearn.wrappers.values import Values
from everlearn.wrappers.vector_non_stationary import VectorNonStationary

N_COPIES = 2
WALKERS = ["Ant-v5", "HalfCheetah-v5", "Walker2d-v5"]


def friction(values: tuple[float, ...], steps: tuple[int, ...]) -> list[Change]:
    return [Change("friction", Values(values), At(steps))]


def roll(worlds: VectorEnv, n_steps: int = 80) -> np.ndarray:
    observations, _ = worlds.reset(seed=0)
    worlds.action_space.seed(0)
    record = [observations]
    for _ in range(n_steps):
        record.append(worlds.step(worlds.action_space.sample())[0])
    worlds.close()
    return np.array(record)


@pytest.mark.parametrize("world", WALKERS)
def test_equal_before_the_change_and_different_after(world: str) -> None:
    untouched = roll(NativeMujocoWorlds(world, N_COPIES))
    changes = friction((0.6, 0.05), (80,))
    before = roll(VectorNonStationary(NativeMujocoWorlds(world, N_COPIES), friction((0.6,), ())))
    changed = roll(VectorNonStationary(NativeMujocoWorlds(world, N_COPIES), changes))
    landing = 80 // N_COPIES
    np.testing.assert_array_equal(changed[: landing + 1], before[: landing + 1])
    assert np.abs(changed[landing + 1 :] - before[landing + 1 :])[:20].max() > 1e-6
    assert (changed != untouched).any()


@pytest.mark.parametrize("world", WALKERS)
def test_changes_do_what_they_do_in_gymnasiums_worlds(world: str) -> None:
    changes = friction((0.6, 0.05, 1.5), (40, 100))
    reference = SyncVectorEnv(
        [lambda: gymnasium.make(world) for _ in range(N_COPIES)],
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    np.testing.assert_array_equal(
        roll(VectorNonStationary(reference, changes)),
        roll(VectorNonStationary(NativeMujocoWorlds(world, N_COPIES), changes)),
    )


@pytest.mark.parametrize("world", native_worlds())
def test_turned_and_put_back_is_bit_equal_to_untouched(world: str) -> None:
    untouched = roll(NativeMujocoWorlds(world, N_COPIES), 20)
    worlds = NativeMujocoWorlds(world, N_COPIES)
    fields = worlds.copies[1].model.geom_friction.copy()
    for value in np.linspace(0.02, 2, 100):
        worlds.set_context({"friction": value})
    worlds.set_context({})
    assert worlds.copies[1].model.geom_friction.tobytes() == fields.tobytes()
    np.testing.assert_array_equal(untouched, roll(worlds, 20))


def test_each_copy_can_have_its_own_value() -> None:
    worlds = NativeMujocoWorlds("HalfCheetah-v5", 3)
    assert worlds.set_context({"friction": np.array([0.1, 0.2, 0.3])}) is False
    np.testing.assert_array_equal(worlds.read_context()["friction"], [0.1, 0.2, 0.3])
    separate = roll(worlds)
    for copy, value in enumerate((0.1, 0.2, 0.3)):
        shared = NativeMujocoWorlds("HalfCheetah-v5", 3)
        shared.set_context({"friction": value})
        np.testing.assert_array_equal(separate[:, copy], roll(shared)[:, copy])


def test_the_length_of_a_step_is_read_again_with_the_context() -> None:
    """Speeds stay true where a knob moves the simulator's clock."""
    worlds = NativeMujocoWorlds("HalfCheetah-v5", 1)
    reference = SyncVectorEnv([lambda: gymnasium.make("HalfCheetah-v5")])
    models: list[Any] = [worlds.copies[0], reference.envs[0].unwrapped]
    for one in models:
        one.model.opt.timestep = 0.004
    worlds.set_context({})
    np.testing.assert_array_equal(roll(reference, 20), roll(worlds, 20))
    assert worlds.copies[0].dt == pytest.approx(0.02)


def test_a_refused_context_changes_nothing() -> None:
    worlds = NativeMujocoWorlds("HalfCheetah-v5", 2)
    worlds.set_context({"friction": 0.2})
    with pytest.raises(SettingsError, match="did you mean 'friction'"):
        worlds.set_context({"frixion": 0.1})
    with pytest.raises(SettingsError, match="friction must be above 0"):
        worlds.set_context({"friction": [0.7, -1.0]})
    with pytest.raises(SettingsError, match="one for each of 2 copies"):
        worlds.set_context({"friction": [0.1, 0.2, 0.3]})
    np.testing.assert_array_equal(worlds.read_context()["friction"], [0.2, 0.2])
