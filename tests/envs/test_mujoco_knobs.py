from pathlib import Path

import gymnasium
import mujoco
import numpy as np
import pytest

from everlearn.envs.mujoco_knobs import Friction
from everlearn.envs.mujoco_model_file import write_model_file
from everlearn.wrappers.errors import SettingsError

WORLDS = ["Ant-v5", "HalfCheetah-v5", "Walker2d-v5"]


@pytest.mark.parametrize("world", WORLDS)
def test_friction_reaches_the_contacts(world: str) -> None:
    env = gymnasium.make(world).unwrapped
    knob = Friction()
    knob.write(env, 0.123, knob.snapshot(env))
    env.reset(seed=0)
    frictions = set()
    for _ in range(100):
        env.step(np.zeros(env.action_space.shape))
        frictions |= {contact.friction[0] for contact in env.data.contact}  # type: ignore[attr-defined]
    assert frictions == {0.123}


@pytest.mark.parametrize("world", WORLDS)
def test_in_place_equals_a_recompiled_model(world: str, tmp_path: Path) -> None:
    env = gymnasium.make(world).unwrapped
    knob = Friction()
    knob.write(env, 0.1234567890123, knob.snapshot(env))
    model = env.model  # type: ignore[attr-defined]
    target = tmp_path / "model.xml"
    write_model_file(Path(env.fullpath), model, knob.fields, target)  # type: ignore[attr-defined]
    recompiled = mujoco.MjModel.from_xml_path(str(target))
    np.testing.assert_array_equal(recompiled.geom_friction, model.geom_friction)
    states = []
    for one in (model, recompiled):
        data = mujoco.MjData(one)
        for control in np.random.default_rng(0).uniform(-1, 1, size=(500, one.nu)):
            data.ctrl[:] = control
            mujoco.mj_step(one, data)
        states.append(data.qpos.copy())
    np.testing.assert_array_equal(states[0], states[1])


def test_a_file_of_another_model_is_refused(tmp_path: Path) -> None:
    ant, cheetah = (gymnasium.make(world).unwrapped for world in WORLDS[:2])
    with pytest.raises(RuntimeError, match="geom"):
        write_model_file(
            Path(ant.fullpath),  # type: ignore[attr-defined]
            cheetah.model,  # type: ignore[attr-defined]
            ["geom_friction"],
            tmp_path / "model.xml",
        )


def test_friction_must_be_positive() -> None:
    env = gymnasium.make("Ant-v5").unwrapped
    knob = Friction()
    with pytest.raises(SettingsError, match="friction must be above 0"):
        knob.write(env, 0.0, knob.snapshot(env))
