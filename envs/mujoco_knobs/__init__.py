"""The knobs of MuJoCo worlds: fields of the compiled model, written in place."""

from ...wrappers.knobs import register_knob
from .actuators import ActuatorFailure, ActuatorGainScale, LegFailure
from .bodies import MassScale, TorsoMassScale
from .contacts import Friction, FrictionScale
from .joints import Armature, ArmatureScale, DampingScale, Stiffness, StiffnessScale
from .model_knob import MujocoKnob
from .options import Gravity, GravityScale, Slope, Timestep, WindX, WindY

MUJOCO_KNOBS: tuple[MujocoKnob, ...] = (
    Friction(),
    FrictionScale(),
    Gravity(),
    GravityScale(),
    Slope(),
    WindX(),
    WindY(),
    Timestep(),
    MassScale(),
    TorsoMassScale(),
    DampingScale(),
    Stiffness(),
    StiffnessScale(),
    Armature(),
    ArmatureScale(),
    ActuatorGainScale(),
    ActuatorFailure(),
    LegFailure(),
)
"""Every knob of a MuJoCo world."""

__all__ = [
    "MUJOCO_KNOBS",
    "ActuatorFailure",
    "ActuatorGainScale",
    "Armature",
    "ArmatureScale",
    "DampingScale",
    "Friction",
    "FrictionScale",
    "Gravity",
    "GravityScale",
    "LegFailure",
    "MassScale",
    "MujocoKnob",
    "Slope",
    "Stiffness",
    "StiffnessScale",
    "Timestep",
    "TorsoMassScale",
    "WindX",
    "WindY",
    "register_mujoco_knobs",
]


def register_mujoco_knobs() -> None:
    """Make every knob of a MuJoCo world known by its name."""
    for knob in MUJOCO_KNOBS:
        register_knob(knob)
