"""What every knob of a MuJoCo world shares: fields of the compiled model, written in place."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple

import gymnasium
import mujoco
import numpy as np

from ...wrappers.knobs import Knob, Landing
from ..ranges import Range


class Untouched(NamedTuple):
    """What a knob keeps of an untouched world.

    Attributes:
        fields: copies of the model's fields, by name.
        scratch: data of the same model for computing constants, where the knob needs them: making
            it takes a hundred times as long as computing.
    """

    fields: dict[str, np.ndarray]
    scratch: Any


class MujocoKnob(Knob):
    """A quantity that lives in fields of `mujoco.MjModel`.

    Fields survive a world's reset, which touches `MjData` only; so a value stays until the next
    one is written. A knob works on anything with a `model` and a `data`.
    """

    landing: ClassVar[Landing] = Landing.IN_PLACE
    fields: ClassVar[tuple[str, ...]]
    """The model's fields that the knob writes: arrays, or dotted, such as "opt.gravity"."""
    valid: ClassVar[Range]
    """The values that the knob takes."""
    has_constants: ClassVar[bool] = False
    """Whether MuJoCo keeps constants computed from these fields, which must be computed anew."""

    def acts_on(self, model: Any) -> bool:
        """Say whether the knob makes a difference in a model; a dead knob is not offered."""
        return True

    def valid_in(self, model: Any) -> Range:
        """Return the values that the knob takes in one model."""
        return self.valid

    @abstractmethod
    def set_fields(self, model: Any, value: float, default: dict[str, np.ndarray]) -> None:
        """Write a checked value into the model's fields; see `apply`."""

    @abstractmethod
    def value_in(self, model: Any, default: dict[str, np.ndarray]) -> float:
        """Read the value back from a compiled model."""

    def apply(
        self, model: Any, value: float, default: dict[str, np.ndarray], scratch: Any = None
    ) -> None:
        """Write the value into a compiled model, with the constants that depend on it.

        Args:
            model: a `mujoco.MjModel`.
            value: the value, in the knob's unit.
            default: the fields of the untouched model, by name.
            scratch: data of this model that may be written over. None: made where needed.

        Raises:
            SettingsError: for a value that makes no sense.
        """
        self.valid_in(model).check(self.name, value)
        self.set_fields(model, value, default)
        if self.has_constants:
            compute_constants(model, scratch)

    def copy_fields(self, model: Any) -> dict[str, np.ndarray]:
        """Copy the fields that the knob writes."""
        return {field: copy_field(model, field) for field in self.fields}

    def writes(self) -> Collection[str]:
        """Name the fields, so that no other knob of the same world writes them too."""
        return self.fields

    def supports(self, env: gymnasium.Env) -> bool:
        """Say whether a world is MuJoCo's, and the knob makes a difference in it."""
        model = getattr(env, "model", None)
        return isinstance(model, mujoco.MjModel) and hasattr(env, "data") and self.acts_on(model)

    def snapshot(self, env: Any) -> Untouched:
        """Copy the fields of the untouched world."""
        scratch = mujoco.MjData(env.model) if self.has_constants else None
        return Untouched(self.copy_fields(env.model), scratch)

    def write(self, env: Any, value: float, default: Untouched) -> None:
        """Write the value into the world's model."""
        self.apply(env.model, value, default.fields, default.scratch)

    def read(self, env: Any, default: Untouched) -> float:
        """Read the value back from the world's model."""
        return self.value_in(env.model, default.fields)

    def restore(self, env: Any, default: Untouched) -> None:
        """Put the untouched fields back."""
        for field, value in default.fields.items():
            set_field(env.model, field, value)
        if self.has_constants:
            compute_constants(env.model, default.scratch)


def copy_field(model: Any, field: str) -> np.ndarray:
    """Copy a field of a model; a scalar becomes an array without dimensions."""
    return np.array(attrgetter(field)(model))


def set_field(model: Any, field: str, value: np.ndarray) -> None:
    """Set a field of a model to a copy of an array."""
    owner, _, name = field.rpartition(".")
    setattr(attrgetter(owner)(model) if owner else model, name, value)


def compute_constants(model: Any, scratch: Any = None) -> None:
    """Compute what MuJoCo keeps of other fields, without touching a running simulation.

    `mj_setConst` works at the reference pose and leaves its data there. In a running world's data
    that would move the body positions that a task reads as "before the step" for its reward.

    Args:
        model: the changed `mujoco.MjModel`.
        scratch: data of this model that may be written over. None: made here.
    """
    mujoco.mj_setConst(model, mujoco.MjData(model) if scratch is None else scratch)


def scale_of(now: np.ndarray, default: np.ndarray) -> float:
    """Return by which factor an array was scaled, read where the default is largest."""
    largest = int(np.abs(default).argmax())
    return float(now.flat[largest] / default.flat[largest])


def driven_joints(model: Any) -> np.ndarray:
    """Return the ids of the hinges and sliders that an actuator drives, in joint order."""
    of_joints = model.actuator_trntype == int(mujoco.mjtTrn.mjTRN_JOINT)
    joints = np.unique(model.actuator_trnid[of_joints, 0])
    return joints[model.jnt_type[joints] >= int(mujoco.mjtJoint.mjJNT_SLIDE)]


def weight(model: Any) -> np.ndarray:
    """Compute how a uniform field pulls at each degree of freedom, at a pose away from rest.

    Returns:
        Three rows, one for a unit acceleration along each of x, y and z, and a column for each
        degree of freedom. A row of zeros: these worlds cannot feel that direction.
    """
    data = mujoco.MjData(model)
    mujoco.mj_integratePos(model, data.qpos, np.linspace(0.1, 0.4, model.nv), 1.0)
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    total = np.zeros((3, model.nv))
    for body in range(1, model.nbody):
        jacobian = np.zeros((3, model.nv))
        mujoco.mj_jacBodyCom(model, data, jacobian, None, body)
        total += model.body_mass[body] * jacobian
    return np.where(np.abs(total) > 1e-9, total, 0.0)
