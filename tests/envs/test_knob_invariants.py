"""What every knob of every world keeps: exact before, different after, undone without trace.

A change must move some observation, reward or ending by more than `MARGIN` within `N_STEPS`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest

from everlearn.envs.classic_knobs import QUANTITIES
from everlearn.envs.mujoco_knobs import MUJOCO_KNOBS
from everlearn.envs.mujoco_model_file import write_model_file
from everlearn.wrappers.change import Change
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.knobs import KnobBoard, Landing, find_knob
from everlearn.wrappers.non_stationary import NonStationary
from everlearn.wrappers.schedules import At
from everlearn.wrappers.values import Values

MARGIN = 1e-6
LANDING = 6
N_STEPS = 40

MUJOCO_WORLDS = (
    "Ant-v5",
    "HalfCheetah-v5",
    "Hopper-v5",
    "Walker2d-v5",
    "Humanoid-v5",
    "Swimmer-v5",
    "Reacher-v5",
    "Pusher-v5",
    "InvertedPendulum-v5",
    "InvertedDoublePendulum-v5",
)
CLASSIC_WORLDS = (
    "CartPole-v1",
    "Acrobot-v1",
    "MountainCar-v0",
    "MountainCarContinuous-v0",
    "Pendulum-v1",
    "everlearn/EndlessCartPole-v0",
    "everlearn/TiltedCartPole-v0",
    "everlearn/TwoArmedBandit-v0",
    "everlearn/TwoStateChain-v0",
)
VALUES = {
    "friction": (0.1, 3.0),
    "friction-scale": (0.1, 3.0),
    "gravity": (3.7, 12.0),
    "gravity-scale": (0.38, 1.3),
    "slope": (15.0, -30.0),
    "wind-x": (8.0, -3.0),
    "wind-y": (8.0, -3.0),
    "timestep": (0.004, 0.0015),
    "mass-scale": (0.5, 3.0),
    "torso-mass-scale": (0.5, 3.0),
    "damping-scale": (0.2, 5.0),
    "stiffness": (20.0, 7.0),
    "stiffness-scale": (0.2, 3.0),
    "armature": (0.5, 2.0),
    "armature-scale": (0.3, 3.0),
    "actuator-gain-scale": (-1.0, 0.3),
    "actuator-failure": (0.0, 0.0),
    "leg-failure": (2.0, 0.0),
    "cartpole-gravity": (30.0, 1.0),
    "cartpole-masscart": (5.0, 0.3),
    "cartpole-masspole": (1.0, 0.01),
    "cartpole-length": (2.0, 0.1),
    "cartpole-force": (-10.0, 3.0),
    "cartpole-timestep": (0.03, 0.01),
    "mountaincar-goal": (-0.5, -0.3),
    "mountaincar-max-speed": (0.001, 0.01),
    "mountaincar-continuous-goal": (-0.6, -0.3),
    "mountaincar-continuous-max-speed": (0.001, 0.01),
    "pendulum-max-torque": (0.5, 1.0),
    "tilted-cartpole-track-angle": (10.0, -5.0),
    "tilted-cartpole-damping": (0.2, 0.1),
    "bandit-best-arm": (1.0, 1.0),
    "chain-goal": (1.0, 1.0),
}
"""Two values that differ from the default; other quantities are doubled and halved."""

ABSOLUTE = {"friction", "stiffness", "armature"}
"""Knobs that set one value where worlds may hold several: some worlds have no value of theirs."""

NOT_PHYSICS = ("_np_random_seed", "_state", "state", "steps_beyond_terminated")
"""Attributes of classic worlds that an episode changes."""


@cache
def world(name: str) -> gymnasium.Env:
    """Make a world once; every test leaves it as it found it."""
    return gymnasium.make(name, disable_env_checker=True)


def supported() -> list[tuple[str, str]]:
    mujoco_pairs = [(knob.name, name) for knob in MUJOCO_KNOBS for name in MUJOCO_WORLDS]
    classic_pairs = [(knob, name) for knob in QUANTITIES for name in CLASSIC_WORLDS]
    return [
        (knob, name)
        for knob, name in [*mujoco_pairs, *classic_pairs]
        if find_knob(knob).supports(world(name).unwrapped)
    ]


PAIRS = supported()
MUJOCO_PAIRS = [pair for pair in PAIRS if pair[1] in MUJOCO_WORLDS]
PAIRS_WITH_OWN_VALUE = [
    (knob, name) for knob, name in PAIRS if knob not in ABSOLUTE or name == "Ant-v5"
]


@pytest.fixture
def board(knob: str, name: str) -> Iterator[KnobBoard]:
    board = KnobBoard(world(name), [knob])
    yield board
    board.restore()


def values_of(knob: str, board: KnobBoard) -> tuple[float, float]:
    if knob in VALUES:
        return VALUES[knob]
    default = board.read()[knob] or 0.1
    return 2 * default, default / 2


def physics(name: str) -> Any:
    """Return everything that makes a world's physics, to be compared bit for bit."""
    env: Any = world(name).unwrapped
    if name in MUJOCO_WORLDS:
        content = np.empty(mujoco.mj_sizeModel(env.model), np.uint8)
        mujoco.mj_saveModel(env.model, None, content)
        return content.tobytes()
    return {
        key: value
        for key, value in vars(env).items()
        if isinstance(value, (int, float, list)) and key not in NOT_PHYSICS
    }


FRESH = {name: physics(name) for name in (*MUJOCO_WORLDS, *CLASSIC_WORLDS)}


def roll(name: str, board: KnobBoard | None = None, context: dict | None = None) -> np.ndarray:
    """Run an episode of fixed actions, with a change before step `LANDING`."""
    env = world(name)
    actions = np.random.default_rng(0)
    env.reset(seed=3)
    rows = []
    for step in range(N_STEPS):
        if step == LANDING and board is not None and context is not None:
            board.write(context)
        space = env.action_space
        action = (
            actions.uniform(space.low, space.high).astype(space.dtype)
            if isinstance(space, gymnasium.spaces.Box)
            else int(actions.integers(space.n))  # type: ignore[attr-defined]
        )
        observation, reward, terminated, _, _ = env.step(action)
        rows.append(np.concatenate([observation, [reward, terminated]]))
        if terminated and name in CLASSIC_WORLDS:
            break
    return np.array(rows)


@cache
def unchanged(name: str) -> np.ndarray:
    return roll(name)


@pytest.mark.parametrize(("knob", "name"), PAIRS)
def test_equal_before_and_different_after(knob: str, name: str, board: KnobBoard) -> None:
    before = unchanged(name)
    after = roll(name, board, {knob: values_of(knob, board)[0]})
    np.testing.assert_array_equal(after[:LANDING], before[:LANDING])
    common = min(len(before), len(after))
    moved = np.abs(after[LANDING:common] - before[LANDING:common]).max()
    assert moved > MARGIN


@pytest.mark.parametrize(("knob", "name"), PAIRS_WITH_OWN_VALUE)
def test_its_own_value_is_no_change(knob: str, name: str, board: KnobBoard) -> None:
    after = roll(name, board, board.read())
    np.testing.assert_array_equal(after, unchanged(name))
    if name in MUJOCO_WORLDS:
        assert physics(name) == FRESH[name]


@pytest.mark.parametrize(("knob", "name"), PAIRS)
def test_undone_without_trace(knob: str, name: str, board: KnobBoard) -> None:
    board.write({knob: values_of(knob, board)[0]})
    assert physics(name) != FRESH[name]
    board.restore()
    assert physics(name) == FRESH[name]
    np.testing.assert_array_equal(roll(name), unchanged(name))


@pytest.mark.parametrize(("knob", "name"), PAIRS)
def test_changes_do_not_pile_up(knob: str, name: str, board: KnobBoard) -> None:
    values = values_of(knob, board)
    board.write({knob: values[0]})
    once = physics(name)
    for _ in range(100):
        for value in reversed(values):
            board.write({knob: value})
    assert physics(name) == once
    board.restore()
    assert physics(name) == FRESH[name]


@pytest.mark.parametrize(("knob", "name"), PAIRS)
def test_a_reset_keeps_it_and_it_reads_back(knob: str, name: str, board: KnobBoard) -> None:
    for value in values_of(knob, board):
        board.write({knob: value})
        assert board.read()[knob] == pytest.approx(value, rel=1e-12)
        world(name).reset(seed=0)
        assert board.read()[knob] == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(("knob", "name"), PAIRS)
def test_info_tells_what_the_simulator_holds(knob: str, name: str, board: KnobBoard) -> None:
    values = values_of(knob, board)
    env = NonStationary(world(name), [Change(knob, Values(values), At((2,)))])
    _, info = env.reset(seed=3)
    env.action_space.seed(0)
    for value in (values[0], values[0], values[1], values[1]):
        assert info["context"] == {knob: value}
        assert board.read()[knob] == pytest.approx(value, rel=1e-12)
        _, _, _, _, info = env.step(env.action_space.sample())


@pytest.mark.parametrize(("knob", "name"), MUJOCO_PAIRS)
def test_in_place_equals_a_recompiled_file(
    knob: str, name: str, board: KnobBoard, tmp_path: Path
) -> None:
    env: Any = world(name).unwrapped
    board.write({knob: values_of(knob, board)[1]})
    target = tmp_path / "model.xml"
    write_model_file(Path(env.fullpath), env.model, find_knob(knob).fields, target)  # type: ignore[attr-defined]
    recompiled = mujoco.MjModel.from_xml_path(str(target))
    ends = []
    for model in (env.model, recompiled):
        data = mujoco.MjData(model)
        for control in np.random.default_rng(0).uniform(-1, 1, size=(100, model.nu)):
            data.ctrl[:] = control
            mujoco.mj_step(model, data)
        ends.append(np.concatenate([data.qpos, data.qvel]))
    np.testing.assert_allclose(ends[0], ends[1], rtol=0, atol=1e-9)


@pytest.mark.parametrize(("knob", "name"), PAIRS)
def test_nonsense_is_refused_and_changes_nothing(knob: str, name: str, board: KnobBoard) -> None:
    for value in (float("nan"), float("inf")):
        with pytest.raises(SettingsError, match=f"^{knob} must be "):
            board.write({knob: value})
    assert physics(name) == FRESH[name]


def test_every_knob_has_a_world_and_lands_in_place() -> None:
    knobs = {knob.name for knob in MUJOCO_KNOBS} | set(QUANTITIES)
    assert {knob for knob, _ in PAIRS} == knobs
    assert {find_knob(knob).landing for knob in knobs} == {Landing.IN_PLACE}
