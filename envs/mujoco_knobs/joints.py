"""Knobs of joints: how hard they are to move."""

from __future__ import annotations

from typing import Any, ClassVar, final

import numpy as np

from ..ranges import AT_LEAST_0, Range
from .model_knob import MujocoKnob, driven_joints, scale_of


@final
class DampingScale(MujocoKnob):
    """Damping of every joint: the torque that works against its speed.

    MuJoCo keeps damping by degree of freedom, not by joint. The two counts differ wherever a body
    is free (Ant, Humanoid); all of them are scaled here, so that no number has to be looked up.

    Unit: a factor, at least 0; 1 is the untouched world. Lands in place.
    """

    name: ClassVar[str] = "damping-scale"
    fields: ClassVar[tuple[str, ...]] = ("dof_damping",)
    valid: ClassVar[Range] = AT_LEAST_0

    def acts_on(self, model: Any) -> bool:
        """Only where a joint is damped; Swimmer's are not."""
        return bool(model.dof_damping.any())

    def set_fields(self, model: Any, value: float, default: dict[str, np.ndarray]) -> None:
        """Scale `dof_damping`."""
        model.dof_damping = default["dof_damping"] * value

    def value_in(self, model: Any, default: dict[str, np.ndarray]) -> float:
        """Return the factor."""
        return scale_of(model.dof_damping, default["dof_damping"])


@final
class Stiffness(MujocoKnob):
    """Stiffness of the spring in every joint that an actuator drives.

    The others, above all the ones by which a robot moves through its world, stay free: a spring
    there would pull it back to where it began. MuJoCo reads stiffness at every step.

    Unit: N m/rad (N/m for sliders), at least 0; 0 is gymnasium's Ant, Hopper, Walker2d and Swimmer.
    Lands in place.
    """

    name: ClassVar[str] = "stiffness"
    fields: ClassVar[tuple[str, ...]] = ("jnt_stiffness",)
    valid: ClassVar[Range] = AT_LEAST_0

    def acts_on(self, model: Any) -> bool:
        """Only where an actuator drives a joint."""
        return bool(driven_joints(model).size)

    def set_fields(self, model: Any, value: float, default: dict[str, np.ndarray]) -> None:
        """Write the driven joints' entries of `jnt_stiffness`."""
        model.jnt_stiffness[driven_joints(model)] = value

    def value_in(self, model: Any, default: dict[str, np.ndarray]) -> float:
        """Return the largest of the driven joints'."""
        return float(model.jnt_stiffness[driven_joints(model)].max())


@final
class StiffnessScale(MujocoKnob):
    """Stiffness of every joint that has a spring, in proportion to its own default.

    Unit: a factor, at least 0; 1 is the untouched world. Lands in place.
    """

    name: ClassVar[str] = "stiffness-scale"
    fields: ClassVar[tuple[str, ...]] = ("jnt_stiffness",)
    valid: ClassVar[Range] = AT_LEAST_0

    def acts_on(self, model: Any) -> bool:
        """Only where a joint has a spring: HalfCheetah and the humanoids."""
        return bool(model.jnt_stiffness.any())

    def set_fields(self, model: Any, value: float, default: dict[str, np.ndarray]) -> None:
        """Scale `jnt_stiffness`."""
        model.jnt_stiffness = default["jnt_stiffness"] * value

    def value_in(self, model: Any, default: dict[str, np.ndarray]) -> float:
        """Return the factor."""
        return scale_of(model.jnt_stiffness, default["jnt_stiffness"])


@final
class Armature(MujocoKnob):
    """Armature of every joint that an actuator drives: the inertia of its motor's rotor.

    MuJoCo keeps inverse weights computed from it, which are computed anew at each write.

    Unit: kg m^2 (kg for sliders), at least 0; 1 is gymnasium's Ant and Hopper. Lands in place.
    """

    name: ClassVar[str] = "armature"
    fields: ClassVar[tuple[str, ...]] = ("dof_armature",)
    valid: ClassVar[Range] = AT_LEAST_0
    has_constants: ClassVar[bool] = True

    def acts_on(self, model: Any) -> bool:
        """Only where an actuator drives a joint."""
        return bool(driven_joints(model).size)

    def set_fields(self, model: Any, value: float, default: dict[str, np.ndarray]) -> None:
        """Write the driven joints' entries of `dof_armature`, found by `jnt_dofadr`."""
        model.dof_armature[model.jnt_dofadr[driven_joints(model)]] = value

    def value_in(self, model: Any, default: dict[str, np.ndarray]) -> float:
        """Return the largest of the driven joints'."""
        return float(model.dof_armature[model.jnt_dofadr[driven_joints(model)]].max())


@final
class ArmatureScale(MujocoKnob):
    """Armature of every joint that has some, in proportion to its own default.

    See `Armature` for what MuJoCo has to be told.

    Unit: a factor, at least 0; 1 is the untouched world. Lands in place.
    """

    name: ClassVar[str] = "armature-scale"
    fields: ClassVar[tuple[str, ...]] = ("dof_armature",)
    valid: ClassVar[Range] = AT_LEAST_0
    has_constants: ClassVar[bool] = True

    def acts_on(self, model: Any) -> bool:
        """Only where a joint has armature; the pendulums' have none."""
        return bool(model.dof_armature.any())

    def set_fields(self, model: Any, value: float, default: dict[str, np.ndarray]) -> None:
        """Scale `dof_armature`."""
        model.dof_armature = default["dof_armature"] * value

    def value_in(self, model: Any, default: dict[str, np.ndarray]) -> float:
        """Return the factor."""
        return scale_of(model.dof_armature, default["dof_armature"])
