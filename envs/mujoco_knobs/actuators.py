"""Knobs of actuators: how strong they are, and which have failed."""

from __future__ import annotations

from typing import Any, ClassVar, final

import mujoco
import numpy as np

from ..ranges import NOT_0, Range
from .bodies import torso_of
from .model_knob import MujocoKnob, scale_of

_N_LEGS = 4


@final
class ActuatorGainScale(MujocoKnob):
    """Strength of every actuator, as if its gear box were another.

    A negative factor turns all of them around. What a world charges for control depends on the
    actions alone and stays. MuJoCo reads the gear at every step; what it keeps of it, for muscles
    alone, is computed anew at each write.

    Unit: a factor other than 0; 1 is the untouched world. Lands in place.
    """

    name: ClassVar[str] = "actuator-gain-scale"
    fields: ClassVar[tuple[str, ...]] = ("actuator_gear",)
    valid: ClassVar[Range] = NOT_0
    has_constants: ClassVar[bool] = True

    def acts_on(self, model: Any) -> bool:
        """Only where there are actuators."""
        return bool(model.actuator_gear.any())

    def set_fields(self, model: Any, value: float, default: dict[str, np.ndarray]) -> None:
        """Scale `actuator_gear`."""
        model.actuator_gear = default["actuator_gear"] * value

    def value_in(self, model: Any, default: dict[str, np.ndarray]) -> float:
        """Return the factor."""
        return scale_of(model.actuator_gear, default["actuator_gear"])


@final
class ActuatorFailure(MujocoKnob):
    """One actuator without force, its joint passive: its gear is 0.

    Actions for it still cost what the world charges for control. Actuators are counted as in the
    action; that is not the order of the joints in an observation (Ant's first actuator is hip 4).

    Unit: the failed actuator's index in the action, -1 for none. Lands in place.
    """

    name: ClassVar[str] = "actuator-failure"
    fields: ClassVar[tuple[str, ...]] = ("actuator_gear",)
    valid: ClassVar[Range] = Range(-1, whole=True)
    has_constants: ClassVar[bool] = True

    def acts_on(self, model: Any) -> bool:
        """Only where there are actuators."""
        return bool(model.actuator_gear.any())

    def valid_in(self, model: Any) -> Range:
        """Bound the index by the number of actuators."""
        return Range(-1, model.nu - 1, whole=True)

    def set_fields(self, model: Any, value: float, default: dict[str, np.ndarray]) -> None:
        """Clear one row of `actuator_gear`."""
        model.actuator_gear = default["actuator_gear"]
        if value >= 0:
            model.actuator_gear[int(value)] = 0.0

    def value_in(self, model: Any, default: dict[str, np.ndarray]) -> float:
        """Return the first actuator that lost its gear."""
        failed = np.flatnonzero(_failed(model, default))
        return float(failed[0]) if failed.size else -1.0


@final
class LegFailure(MujocoKnob):
    """One leg without force: both of its actuators fail, as in `ActuatorFailure`.

    A leg is a limb of the torso, counted in the order of the model: in Ant front left, front right,
    back left, back right. Its actuators are found through the joints that they drive, since they
    stand in another order.

    Unit: the failed leg's index, 0 to 3, or -1 for none. Lands in place.
    """

    name: ClassVar[str] = "leg-failure"
    fields: ClassVar[tuple[str, ...]] = ("actuator_gear",)
    valid: ClassVar[Range] = Range(-1, _N_LEGS - 1, whole=True)
    has_constants: ClassVar[bool] = True

    def acts_on(self, model: Any) -> bool:
        """Only where the torso has four limbs of two actuators each: Ant."""
        legs = limbs(model)
        return len(legs) == _N_LEGS and all(len(leg) == 2 for leg in legs)

    def set_fields(self, model: Any, value: float, default: dict[str, np.ndarray]) -> None:
        """Clear the leg's rows of `actuator_gear`."""
        model.actuator_gear = default["actuator_gear"]
        if value >= 0:
            model.actuator_gear[limbs(model)[int(value)]] = 0.0

    def value_in(self, model: Any, default: dict[str, np.ndarray]) -> float:
        """Return the first leg whose actuators all lost their gear."""
        failed = _failed(model, default)
        for number, leg in enumerate(limbs(model)):
            if failed[leg].all():
                return float(number)
        return -1.0


def limbs(model: Any) -> list[list[int]]:
    """Return the actuators of each limb of the torso, both in the order of the model's bodies."""
    torso = torso_of(model)
    if torso < 0 or (model.actuator_trntype != int(mujoco.mjtTrn.mjTRN_JOINT)).any():
        return []
    found: dict[int, list[int]] = {}
    for actuator, joint in enumerate(model.actuator_trnid[:, 0]):
        body = int(model.jnt_bodyid[joint])
        while body and model.body_parentid[body] != torso:
            body = int(model.body_parentid[body])
        found.setdefault(body, []).append(actuator)
    return [found[body] for body in sorted(found)]


def _failed(model: Any, default: dict[str, np.ndarray]) -> np.ndarray:
    return default["actuator_gear"].any(axis=1) & ~model.actuator_gear.any(axis=1)
