"""The traps of MuJoCo's fields, each shown to be one and to be avoided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest

from everlearn.envs.mujoco_knobs import MUJOCO_KNOBS
from everlearn.envs.mujoco_knobs.actuators import limbs
from everlearn.envs.mujoco_knobs.model_knob import compute_constants
from everlearn.envs.mujoco_knobs.options import AIR_DENSITY
from everlearn.envs.mujoco_model_file import write_model_file
from everlearn.wrappers.knobs import KnobBoard, find_knob

WALKERS = ["Ant-v5", "HalfCheetah-v5", "Walker2d-v5"]


def make(name: str) -> Any:
    return gymnasium.make(name, disable_env_checker=True).unwrapped


def drive(model: Any, n_steps: int = 100) -> np.ndarray:
    """Step a model under fixed controls; return where it ends."""
    data = mujoco.MjData(model)
    for control in np.random.default_rng(0).uniform(-1, 1, size=(n_steps, model.nu)):
        data.ctrl[:] = control
        mujoco.mj_step(model, data)
    return np.concatenate([data.qpos, data.qvel])


@pytest.mark.parametrize("world", WALKERS)
def test_friction_reaches_the_contacts(world: str) -> None:
    env = make(world)
    KnobBoard(env, ["friction"]).write({"friction": 0.123})
    env.reset(seed=0)
    frictions = set()
    for _ in range(100):
        env.step(np.zeros(env.action_space.shape))
        frictions |= {contact.friction[0] for contact in env.data.contact}
    assert frictions == {0.123}


@pytest.mark.parametrize("world", WALKERS)
def test_the_floor_alone_would_not_be_slippery(world: str) -> None:
    model = make(world).model
    before = drive(model, 300)
    model.geom_friction[model.geom_bodyid == 0, 0] = 0.05
    np.testing.assert_array_equal(drive(model, 300), before)


@pytest.mark.parametrize(
    ("world", "joint", "n_before"), [("Ant-v5", "ankle_1", 5), ("Humanoid-v5", "right_knee", 5)]
)
def test_damping_and_armature_go_by_degree_of_freedom(
    world: str, joint: str, n_before: int
) -> None:
    env = make(world)
    model = env.model
    number = model.joint(joint).id
    dof = model.jnt_dofadr[number]
    assert dof == number + n_before
    default = model.dof_damping.copy()
    KnobBoard(env, ["damping-scale", "armature"]).write({"damping-scale": 4.0, "armature": 0.7})
    assert model.dof_damping[dof] == 4 * default[dof] > 0
    np.testing.assert_array_equal(model.dof_damping, 4 * default)
    np.testing.assert_array_equal(model.dof_armature, [0.0] * 6 + [0.7] * (model.nv - 6))


def test_wind_alone_would_do_nothing_and_brings_air() -> None:
    env = make("Ant-v5")
    before = drive(env.model)
    env.model.opt.wind[0] = 30.0
    np.testing.assert_array_equal(drive(env.model), before)
    env.model.opt.wind[0] = 0.0
    board = KnobBoard(env, ["wind-x", "wind-y"])
    for x, y, density in [(0, 5, AIR_DENSITY), (-3, 0, AIR_DENSITY), (0, 0, 0.0)]:
        board.write({"wind-x": float(x), "wind-y": float(y)})
        assert board.read() == {"wind-x": x, "wind-y": y}
        assert env.model.opt.density == density
    np.testing.assert_array_equal(drive(env.model), before)


def test_wind_leaves_a_medium_as_it_is() -> None:
    env = make("Swimmer-v5")
    KnobBoard(env, ["wind-x"]).write({"wind-x": 1.0})
    assert (env.model.opt.density, env.model.opt.viscosity) == (4000.0, 0.1)


def test_an_uphill_slope_pulls_back() -> None:
    env = make("InvertedDoublePendulum-v5")
    board = KnobBoard(env, ["slope"])
    board.write({"slope": 30.0})
    np.testing.assert_allclose(
        env.model.opt.gravity,
        [-9.81 / 2 + 1e-5 * 3**0.5 / 2, 0, -9.81 * 3**0.5 / 2 - 1e-5 / 2],
        rtol=1e-12,
    )


def test_gravity_keeps_a_pull_to_the_side() -> None:
    env = make("InvertedDoublePendulum-v5")
    KnobBoard(env, ["gravity"]).write({"gravity": 1.6})
    np.testing.assert_array_equal(env.model.opt.gravity, [1e-5, 0.0, -1.6])


@pytest.mark.parametrize("knob", ["mass-scale", "torso-mass-scale", "armature"])
def test_constants_must_follow(knob: str, tmp_path: Path) -> None:
    """Without the constants, contacts act on the old bodies; with them, as in a new model."""
    env = make("HalfCheetah-v5")
    model, found = env.model, find_knob(knob)
    default = found.copy_fields(model)  # type: ignore[attr-defined]
    found.set_fields(model, 3.0, default)  # type: ignore[attr-defined]
    stale = drive(model, 200)
    with pytest.raises(RuntimeError, match="does not compile to the"):
        write_model_file(Path(env.fullpath), model, default, tmp_path / "model.xml")
    compute_constants(model)
    true = drive(model, 200)
    assert np.abs(stale - true).max() > 1e-3
    write_model_file(Path(env.fullpath), model, default, tmp_path / "model.xml")
    recompiled = mujoco.MjModel.from_xml_path(str(tmp_path / "model.xml"))
    np.testing.assert_allclose(drive(recompiled, 200), true, rtol=0, atol=1e-9)


@pytest.mark.parametrize("knob", [knob.name for knob in MUJOCO_KNOBS if knob.has_constants])
def test_the_running_state_is_left_alone(knob: str) -> None:
    """Ant reads the torso's position before a step from its data: a reward hangs on it."""
    env = make("Ant-v5")
    env.reset(seed=0)
    env.step(env.action_space.sample())
    before = running_state(env.data)
    KnobBoard(env, [knob]).write({knob: 3.0})
    assert running_state(env.data) == before
    assert len(before) > 50


def running_state(data: Any) -> dict[str, bytes]:
    fields = {name: getattr(data, name) for name in dir(data) if not name.startswith("_")}
    return {
        name: field.tobytes() for name, field in fields.items() if isinstance(field, np.ndarray)
    }


def test_a_leg_is_found_through_its_joints() -> None:
    env = make("Ant-v5")
    model = env.model
    driven = [model.joint(joint).name for joint in model.actuator_trnid[:, 0]]
    assert driven[:4] == ["hip_4", "ankle_4", "hip_1", "ankle_1"]
    assert limbs(model) == [[2, 3], [4, 5], [6, 7], [0, 1]]
    board = KnobBoard(env, ["leg-failure"])
    for leg in range(4):
        board.write({"leg-failure": float(leg)})
        env.reset(seed=0)
        env.step(np.ones(8))
        silent = env.data.qfrc_actuator[6:] == 0
        assert [int(i) for i in np.flatnonzero(silent)] == [2 * leg, 2 * leg + 1]


def test_a_failed_actuator_is_counted_as_in_the_action() -> None:
    env = make("Ant-v5")
    KnobBoard(env, ["actuator-failure"]).write({"actuator-failure": 0.0})
    env.reset(seed=0)
    _, _, _, _, info = env.step(np.ones(8))
    failed = env.model.joint("hip_4").dofadr[0]
    assert env.data.qfrc_actuator[failed] == 0
    assert info["reward_ctrl"] == -0.5 * 8


def test_a_longer_step_keeps_velocities_true() -> None:
    env = make("HalfCheetah-v5")
    KnobBoard(env, ["timestep"]).write({"timestep": 0.005})
    env.reset(seed=0)
    before = env.data.qpos[0]
    _, _, _, _, info = env.step(np.ones(6))
    assert info["x_velocity"] == pytest.approx((env.data.qpos[0] - before) / (5 * 0.005))


def test_knobs_of_other_fields_go_together() -> None:
    names = ["friction", "slope", "wind-x", "wind-y", "mass-scale", "leg-failure", "timestep"]
    values = dict(zip(names, (0.5, 3.0, 1.0, -2.0, 1.5, 2.0, 0.005), strict=True))
    env = make("Ant-v5")
    board = KnobBoard(env, names)
    board.write(values)
    assert board.read() == pytest.approx(values)
    for name in reversed(names):
        board.write({name: values[name]})
    assert board.read() == pytest.approx(values)
    board.restore()
    np.testing.assert_array_equal(drive(env.model), drive(make("Ant-v5").model))
