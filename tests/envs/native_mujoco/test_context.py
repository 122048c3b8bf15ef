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


KNOBS: dict[str, tuple[str, tuple[float, ...]]] = {
    "friction": ("Ant-v5", (1.0, 0.1, 0.5)),
    "friction-scale": ("Walker2d-v5", (1.0, 0.1, 0.5)),
    "gravity": ("InvertedPendulum-v5", (9.81, 3.0, 20.0)),
    "gravity-scale": ("InvertedDoublePendulum-v5", (1.0, 0.4, 2.0)),
    "slope": ("Ant-v5", (0.0, 10.0, -10.0)),
    "wind-x": ("Swimmer-v5", (0.0, 20.0, -20.0)),
    "wind-y": ("Swimmer-v5", (0.0, 20.0, -20.0)),
    "timestep": ("Hopper-v5", (0.01, 0.005, 0.008)),
    "mass-scale": ("Humanoid-v5", (1.0, 0.5, 2.0)),
    "torso-mass-scale": ("Humanoid-v5", (1.0, 0.5, 2.0)),
    "damping-scale": ("HalfCheetah-v5", (1.0, 0.5, 2.0)),
    "stiffness": ("Hopper-v5", (0.0, 3.0, 1.0)),
    "stiffness-scale": ("HalfCheetah-v5", (1.0, 2.0, 0.5)),
    "armature": ("Ant-v5", (1.0, 0.5, 2.0)),
    "armature-scale": ("Humanoid-v5", (1.0, 0.5, 2.0)),
    "actuator-gain-scale": ("Reacher-v5", (1.0, -0.5, 2.0)),
    "actuator-failure": ("Pusher-v5", (-1.0, 0.0, 1.0)),
    "leg-failure": ("Ant-v5", (-1.0, 0.0, 3.0)),
}
"""A world that has the knob, and values for it."""


def friction(values: tuple[float, ...], steps: tuple[int, ...]) -> list[Change]:
    return [Change("friction", Values(values), At(steps))]


def make_reference(world: str) -> SyncVectorEnv:
    return SyncVectorEnv(
        [lambda: gymnasium.make(world) for _ in range(N_COPIES)],
        autoreset_mode=AutoresetMode.SAME_STEP,
    )


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
    reference = make_reference(world)
    np.testing.assert_array_equal(
        roll(VectorNonStationary(reference, changes)),
        roll(VectorNonStationary(NativeMujocoWorlds(world, N_COPIES), changes)),
    )


@pytest.mark.parametrize("knob", KNOBS)
def test_every_knob_does_what_it_does_in_gymnasiums_worlds(knob: str) -> None:
    world, values = KNOBS[knob]
    changes = [Change(knob, Values(values), At((20, 50)), scope="independent")]
    native = NativeMujocoWorlds(world, N_COPIES, knobs=[knob])
    np.testing.assert_array_equal(
        roll(VectorNonStationary(make_reference(world), changes), 40),
        roll(VectorNonStationary(native, changes), 40),
    )


@pytest.mark.parametrize("world", native_worlds())
def test_turned_and_put_back_is_bit_equal_to_untouched(world: str) -> None:
    untouched = roll(NativeMujocoWorlds(world, N_COPIES), 20)
    worlds = NativeMujocoWorlds(world, N_COPIES)
    gears = worlds.copies[1].model.actuator_gear.copy()
    for value in np.linspace(0.02, 2, 100):
        worlds.set_context({"actuator-gain-scale": value, "timestep": 0.01 * value})
    assert (worlds.copies[1].model.actuator_gear != gears).any()
    worlds.restore_context()
    assert worlds.copies[1].model.actuator_gear.tobytes() == gears.tobytes()
    assert worlds.read_context() == {}
    np.testing.assert_array_equal(untouched, roll(worlds, 20))


def test_knobs_that_join_later_find_their_defaults_untouched() -> None:
    """Scales start from the world as it was made, whatever was turned before them."""
    step_by_step = NativeMujocoWorlds("Ant-v5", N_COPIES)
    step_by_step.set_context({"armature": 0.5})
    step_by_step.set_context({"mass-scale": [2.0, 3.0]})
    step_by_step.set_context({"mass-scale": 0.5})
    at_once = NativeMujocoWorlds("Ant-v5", N_COPIES)
    at_once.set_context({"mass-scale": 0.5, "armature": 0.5})
    assert set(step_by_step.read_context()) == {"armature", "mass-scale"}
    np.testing.assert_array_equal(roll(step_by_step, 20), roll(at_once, 20))
    with pytest.raises(SettingsError, match="both set"):
        step_by_step.set_context({"armature-scale": 2.0})


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
    worlds.restore_context()
    np.testing.assert_array_equal(roll(reference, 20), roll(worlds, 20))
    assert worlds.copies[0].dt == pytest.approx(0.02)


def test_a_refused_context_changes_nothing() -> None:
    worlds = NativeMujocoWorlds("HalfCheetah-v5", 2)
    worlds.set_context({"friction": 0.2})
    with pytest.raises(SettingsError, match="did you mean 'friction'"):
        worlds.set_context({"frixion": 0.1})
    with pytest.raises(SettingsError, match="has no knob 'leg-failure'"):
        NativeMujocoWorlds("HalfCheetah-v5", 2, knobs=["leg-failure"])
    with pytest.raises(SettingsError, match="friction must be above 0"):
        worlds.set_context({"friction": [0.7, -1.0]})
    with pytest.raises(SettingsError, match="one for each of 2 copies"):
        worlds.set_context({"friction": [0.1, 0.2, 0.3]})
    np.testing.assert_array_equal(worlds.read_context()["friction"], [0.2, 0.2])
