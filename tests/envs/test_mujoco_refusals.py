"""A knob that a world lacks, or could not feel, and a value that makes no sense, are refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gymnasium
import mujoco
import pytest

from everlearn.envs.mujoco_knobs import MUJOCO_KNOBS
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.knobs import KnobBoard

LACKING = {
    "friction": {"Swimmer", "Reacher", "Pusher", "InvertedPendulum", "InvertedDoublePendulum"},
    "gravity": {"Swimmer", "Reacher"},
    "gravity-scale": {"Swimmer", "Reacher", "Pusher"},
    "slope": {"Pusher"},
    "wind-x": set(),
    "wind-y": {"HalfCheetah", "Hopper", "Walker2d", "InvertedPendulum", "InvertedDoublePendulum"},
    "timestep": set(),
    "mass-scale": set(),
    "torso-mass-scale": {"Reacher", "Pusher", "InvertedPendulum", "InvertedDoublePendulum"},
    "damping-scale": {"Swimmer"},
    "stiffness": set(),
    "stiffness-scale": {
        *("Ant", "Hopper", "Walker2d", "Swimmer", "Reacher", "Pusher"),
        *("InvertedPendulum", "InvertedDoublePendulum"),
    },
    "armature": set(),
    "armature-scale": {"InvertedPendulum", "InvertedDoublePendulum"},
    "actuator-gain-scale": set(),
    "actuator-failure": set(),
    "leg-failure": {
        *("HalfCheetah", "Hopper", "Walker2d", "Humanoid", "HumanoidStandup", "Swimmer"),
        *("Reacher", "Pusher", "InvertedPendulum", "InvertedDoublePendulum"),
    },
}
LACKING["friction-scale"] = LACKING["friction"]
WORLDS = set().union(*LACKING.values()) | {"Ant"}


def make(name: str) -> Any:
    return gymnasium.make(name, disable_env_checker=True).unwrapped


def test_the_lists_above_name_everything() -> None:
    assert set(LACKING) == {knob.name for knob in MUJOCO_KNOBS}
    assert len(WORLDS) == 11


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_a_knob_that_would_do_nothing_is_refused(name: str) -> None:
    env = make(f"{name}-v5")
    for knob in MUJOCO_KNOBS:
        if name in LACKING[knob.name]:
            with pytest.raises(SettingsError, match=f"'{name}-v5' has no knob '{knob.name}'"):
                KnobBoard(env, [knob.name])
        else:
            KnobBoard(env, [knob.name])


def test_other_worlds_have_none() -> None:
    without_actuators = SimpleNamespace(
        model=mujoco.MjModel.from_xml_string(
            "<mujoco><worldbody><body><freejoint/><geom size='1'/></body></worldbody></mujoco>"
        ),
        data=None,
    )
    supporting = {knob.name for knob in MUJOCO_KNOBS if knob.supports(without_actuators)}  # type: ignore[arg-type]
    assert supporting == {
        *("gravity", "gravity-scale", "slope", "wind-x", "wind-y", "timestep", "mass-scale"),
    }
    assert not any(knob.supports(make("CartPole-v1")) for knob in MUJOCO_KNOBS)


@pytest.mark.parametrize(
    ("knob", "value", "sentence"),
    [
        ("friction", 0.0, "friction must be above 0, not 0.0"),
        ("mass-scale", -1.0, "mass-scale must be above 0, not -1.0"),
        ("timestep", 0.0, "timestep must be above 0, not 0.0"),
        ("gravity", -9.81, "gravity must be at least 0, not -9.81"),
        ("slope", 120.0, "slope must be from -90 to 90, not 120.0"),
        (
            "actuator-gain-scale",
            0.0,
            "actuator-gain-scale must be a number other than 0, not 0.0",
        ),
        (
            "actuator-failure",
            8.0,
            "actuator-failure must be a whole number from -1 to 7, not 8.0",
        ),
        (
            "leg-failure",
            1.5,
            "leg-failure must be a whole number from -1 to 3, not 1.5",
        ),
        ("wind-x", float("nan"), "wind-x must be a finite number, not nan"),
    ],
)
def test_nonsense_is_one_sentence(knob: str, value: float, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        KnobBoard(make("Ant-v5"), [knob]).write({knob: value})
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("names", "field"),
    [
        (["friction", "friction-scale"], "geom_friction"),
        (["gravity-scale", "slope"], "opt.gravity"),
        (["mass-scale", "torso-mass-scale"], "body_mass"),
        (["leg-failure", "actuator-gain-scale"], "actuator_gear"),
    ],
)
def test_two_knobs_of_one_field_are_refused(names: list[str], field: str) -> None:
    first, second = names
    with pytest.raises(SettingsError) as caught:
        KnobBoard(make("Ant-v5"), names)
    assert str(caught.value) == f"the knobs {first!r} and {second!r} both set {field}"
