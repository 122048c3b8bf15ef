"""Knobs of bodies: how heavy they are."""

from __future__ import annotations

from typing import Any, ClassVar, final

import mujoco
import numpy as np

from ..ranges import ABOVE_0, Range
from .model_knob import MujocoKnob, scale_of


@final
class MassScale(MujocoKnob):
    """Mass and inertia of every body, as if all were made of a denser or lighter stuff.

    Both are scaled: mass alone would change the shape that the inertia stands for. MuJoCo keeps
    inverse weights computed from them, without which contacts would act on the old bodies; they
    are computed anew at each write.

    Unit: a factor above 0; 1 is the untouched world. Lands in place.
    """

    name: ClassVar[str] = "mass-scale"
    fields: ClassVar[tuple[str, ...]] = ("body_mass", "body_inertia")
    valid: ClassVar[Range] = ABOVE_0
    has_constants: ClassVar[bool] = True

    def set_fields(self, model: Any, value: float, default: dict[str, np.ndarray]) -> None:
        """Scale `body_mass` and `body_inertia`."""
        model.body_mass = default["body_mass"] * value
        model.body_inertia = default["body_inertia"] * value

    def value_in(self, model: Any, default: dict[str, np.ndarray]) -> float:
        """Return the factor."""
        return scale_of(model.body_mass, default["body_mass"])


@final
class TorsoMassScale(MujocoKnob):
    """Mass and inertia of the body named "torso" alone: a load that the robot carries.

    See `MassScale` for what MuJoCo has to be told.

    Unit: a factor above 0; 1 is the untouched world. Lands in place.
    """

    name: ClassVar[str] = "torso-mass-scale"
    fields: ClassVar[tuple[str, ...]] = ("body_mass", "body_inertia")
    valid: ClassVar[Range] = ABOVE_0
    has_constants: ClassVar[bool] = True

    def acts_on(self, model: Any) -> bool:
        """Only where a body has that name."""
        return torso_of(model) > 0

    def set_fields(self, model: Any, value: float, default: dict[str, np.ndarray]) -> None:
        """Scale the torso's row of `body_mass` and `body_inertia`."""
        torso = torso_of(model)
        model.body_mass[torso] = default["body_mass"][torso] * value
        model.body_inertia[torso] = default["body_inertia"][torso] * value

    def value_in(self, model: Any, default: dict[str, np.ndarray]) -> float:
        """Return the factor."""
        torso = torso_of(model)
        return float(model.body_mass[torso] / default["body_mass"][torso])


def torso_of(model: Any) -> int:
    """Return the id of the body named "torso", or -1."""
    return int(mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, "torso"))
