"""Knobs of what surrounds the bodies: gravity, wind and the time step."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar, final

import numpy as np

from ..ranges import ABOVE_0, AT_LEAST_0, Range
from .model_knob import MujocoKnob, scale_of, set_field, weight

AIR_DENSITY = 1.2
"""Density of air at sea level, kg/m^3: the medium of a wind in a world that has none."""


@final
class Gravity(MujocoKnob):
    """Gravity's pull downwards, along -z; a pull to the side, if the world has one, stays.

    MuJoCo reads it at every step: nothing else has to be told.

    Unit: m/s^2, at least 0; 9.81 is the untouched world, Pusher's 0 excepted. Lands in place.
    """

    name: ClassVar[str] = "gravity"
    fields: ClassVar[tuple[str, ...]] = ("opt.gravity",)
    valid: ClassVar[Range] = AT_LEAST_0

    def acts_on(self, model: Any) -> bool:
        """Not where everything moves in a level plane."""
        return bool(weight(model)[2].any())

    def set_fields(self, model: Any, value: float, default: dict[str, np.ndarray]) -> None:
        """Write the last entry of `opt.gravity`."""
        model.opt.gravity[2] = -value

    def value_in(self, model: Any, default: dict[str, np.ndarray]) -> float:
        """Return the pull downwards."""
        return float(-model.opt.gravity[2])


@final
class GravityScale(MujocoKnob):
    """Gravity's strength, in whatever direction the world has it.

    MuJoCo reads it at every step: nothing else has to be told.

    Unit: a factor, at least 0; 1 is the untouched world, 0.38 is Mars. Lands in place.
    """

    name: ClassVar[str] = "gravity-scale"
    fields: ClassVar[tuple[str, ...]] = ("opt.gravity",)
    valid: ClassVar[Range] = AT_LEAST_0

    def acts_on(self, model: Any) -> bool:
        """Not without gravity, nor where everything moves in a level plane."""
        return bool((model.opt.gravity @ weight(model)).any())

    def set_fields(self, model: Any, value: float, default: dict[str, np.ndarray]) -> None:
        """Scale `opt.gravity`."""
        model.opt.gravity = default["opt.gravity"] * value

    def value_in(self, model: Any, default: dict[str, np.ndarray]) -> float:
        """Return the factor."""
        return scale_of(model.opt.gravity, default["opt.gravity"])


@final
class Slope(MujocoKnob):
    """A slope of the ground along x, made by turning gravity about the y axis.

    At a positive angle +x is uphill: gravity pulls with sin(angle) towards -x. Geometry and
    heights, and with them a world's idea of falling, stay as they are.

    Unit: degrees, from -90 to 90; 0 is the untouched world. Lands in place.
    """

    name: ClassVar[str] = "slope"
    fields: ClassVar[tuple[str, ...]] = ("opt.gravity",)
    valid: ClassVar[Range] = Range(-90, 90)

    def acts_on(self, model: Any) -> bool:
        """Not without gravity, nor where nothing can feel it in the x-z plane."""
        return bool(model.opt.gravity[2] and weight(model)[[0, 2]].any())

    def set_fields(self, model: Any, value: float, default: dict[str, np.ndarray]) -> None:
        """Turn `opt.gravity` about y."""
        cosine, sine = np.cos(np.radians(value)), np.sin(np.radians(value))
        x, y, z = default["opt.gravity"]
        model.opt.gravity = (x * cosine + z * sine, y, z * cosine - x * sine)

    def value_in(self, model: Any, default: dict[str, np.ndarray]) -> float:
        """Return the angle between the default's and the present direction."""
        x, _, z = model.opt.gravity
        x0, _, z0 = default["opt.gravity"]
        return float(np.degrees(np.arctan2(x * z0 - z * x0, x * x0 + z * z0)))


@final
class WindX(MujocoKnob):
    """Wind along x, which drags at every body.

    MuJoCo's wind does nothing in a vacuum, and only Swimmer has a medium. In a world without one,
    a wind other than 0 brings air of `AIR_DENSITY` with it: bodies then feel their own speed's drag
    too. No wind on either axis is the vacuum again.

    Unit: m/s, either sign; 0 is the untouched world. Lands in place.
    """

    name: ClassVar[str] = "wind-x"
    fields: ClassVar[tuple[str, ...]] = ("opt.wind", "opt.density")
    valid: ClassVar[Range] = Range()

    def writes(self) -> Collection[str]:
        """Name the axis alone: the two winds share the medium, and agree on it."""
        return ("opt.wind[0]",)

    def acts_on(self, model: Any) -> bool:
        """Only where something can move along x."""
        return bool(weight(model)[0].any())

    def set_fields(self, model: Any, value: float, default: dict[str, np.ndarray]) -> None:
        """Write the first entry of `opt.wind`, and the medium."""
        _blow(model, 0, value, default)

    def value_in(self, model: Any, default: dict[str, np.ndarray]) -> float:
        """Return the wind's speed along x."""
        return float(model.opt.wind[0])


@final
class WindY(MujocoKnob):
    """Wind along y, which drags at every body; see `WindX` for the medium.

    Unit: m/s, either sign; 0 is the untouched world. Lands in place.
    """

    name: ClassVar[str] = "wind-y"
    fields: ClassVar[tuple[str, ...]] = ("opt.wind", "opt.density")
    valid: ClassVar[Range] = Range()

    def writes(self) -> Collection[str]:
        """Name the axis alone: the two winds share the medium, and agree on it."""
        return ("opt.wind[1]",)

    def acts_on(self, model: Any) -> bool:
        """Only where something can move along y: not in a world of the x-z plane."""
        return bool(weight(model)[1].any())

    def set_fields(self, model: Any, value: float, default: dict[str, np.ndarray]) -> None:
        """Write the second entry of `opt.wind`, and the medium."""
        _blow(model, 1, value, default)

    def value_in(self, model: Any, default: dict[str, np.ndarray]) -> float:
        """Return the wind's speed along y."""
        return float(model.opt.wind[1])


def _blow(model: Any, axis: int, speed: float, default: dict[str, np.ndarray]) -> None:
    model.opt.wind[axis] = speed
    if not default["opt.density"] and not model.opt.viscosity:
        model.opt.density = AIR_DENSITY if model.opt.wind.any() else 0.0


@final
class Timestep(MujocoKnob):
    """The simulator's step; an action still lasts as many of them, so it lasts longer or shorter.

    A task reads the step for its velocities and rewards, which stay true. Long steps make stiff
    contacts unstable; there is no bound that would hold for every world.

    Unit: seconds, above 0. Lands in place.
    """

    name: ClassVar[str] = "timestep"
    fields: ClassVar[tuple[str, ...]] = ("opt.timestep",)
    valid: ClassVar[Range] = ABOVE_0

    def set_fields(self, model: Any, value: float, default: dict[str, np.ndarray]) -> None:
        """Write `opt.timestep`."""
        set_field(model, "opt.timestep", np.array(value))

    def value_in(self, model: Any, default: dict[str, np.ndarray]) -> float:
        """Return the simulator's step."""
        return float(model.opt.timestep)
