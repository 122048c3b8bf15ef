"""Knobs of contacts: how slippery the world is."""

from __future__ import annotations

from typing import Any, ClassVar, final

import numpy as np

from ..ranges import ABOVE_0, Range
from .model_knob import MujocoKnob, scale_of


@final
class Friction(MujocoKnob):
    """Sliding friction of every geom, the floor's included.

    All geoms are written because MuJoCo lets two touching geoms have the *larger* of their
    frictions: lowering the floor's alone changes nothing. Torsional and rolling friction stay, as
    in Slippery Ant (Dohare et al., Nature 2024).

    Unit: the coefficient of sliding friction, above 0; 1 is gymnasium's Ant. Lands in place.
    """

    name: ClassVar[str] = "friction"
    fields: ClassVar[tuple[str, ...]] = ("geom_friction",)
    valid: ClassVar[Range] = ABOVE_0

    def acts_on(self, model: Any) -> bool:
        """Only where geoms meet in contacts that have friction."""
        return rubs(model)

    def set_fields(self, model: Any, value: float, default: dict[str, np.ndarray]) -> None:
        """Write the first column of `geom_friction`."""
        model.geom_friction[:, 0] = value

    def value_in(self, model: Any, default: dict[str, np.ndarray]) -> float:
        """Return the largest, which is what contacts with it use."""
        return float(model.geom_friction[:, 0].max())


@final
class FrictionScale(MujocoKnob):
    """Sliding friction of every geom, in proportion to its own default.

    Where feet grip better than the rest (Hopper, Walker2d) this keeps the difference, which
    `Friction` levels out. The larger of two frictions stays the larger, so every contact's is
    scaled.

    Unit: a factor above 0; 1 is the untouched world. Lands in place.
    """

    name: ClassVar[str] = "friction-scale"
    fields: ClassVar[tuple[str, ...]] = ("geom_friction",)
    valid: ClassVar[Range] = ABOVE_0

    def acts_on(self, model: Any) -> bool:
        """Only where geoms meet in contacts that have friction."""
        return rubs(model) and bool(model.geom_friction[:, 0].any())

    def set_fields(self, model: Any, value: float, default: dict[str, np.ndarray]) -> None:
        """Scale the first column of `geom_friction`."""
        model.geom_friction[:, 0] = default["geom_friction"][:, 0] * value

    def value_in(self, model: Any, default: dict[str, np.ndarray]) -> float:
        """Return the factor."""
        return scale_of(model.geom_friction[:, 0], default["geom_friction"][:, 0])


def rubs(model: Any) -> bool:
    """Say whether two geoms of a model can meet in a contact that has friction.

    MuJoCo tests two geoms where the contact type of one matches the other's affinity and their
    bodies are neither welded together nor parent and child; the contact has friction where either
    geom asks for three dimensions.
    """
    body = model.body_weldid[model.geom_bodyid]
    parent = model.body_weldid[model.body_parentid[body]]
    matches = (model.geom_contype[:, None] & model.geom_conaffinity[None, :]) != 0
    child_of = (parent[:, None] == body[None, :]) & (body[None, :] != 0)
    apart = (body[:, None] != body[None, :]) & ~child_of & ~child_of.T
    sliding = np.maximum(model.geom_condim[:, None], model.geom_condim[None, :]) >= 3
    return bool(((matches | matches.T) & apart & sliding).any())
