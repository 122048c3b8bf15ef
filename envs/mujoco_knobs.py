"""The knobs of MuJoCo worlds: arrays of the compiled model, written in place."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import gymnasium
import numpy as np

from ..wrappers.errors import SettingsError
from ..wrappers.knobs import Knob, Landing, register_knob


class MujocoKnob(Knob):
    """A quantity that lives in arrays of `mujoco.MjModel`.

    Model arrays survive a world's reset, which touches `MjData` only; so a value stays until the
    next one is written.
    """

    landing: ClassVar[Landing] = Landing.IN_PLACE
    fields: ClassVar[tuple[str, ...]]
    """The model arrays that the knob writes."""

    @abstractmethod
    def apply(self, model: Any, value: float, default: dict[str, np.ndarray]) -> None:
        """Write the value into a compiled model.

        Args:
            model: a `mujoco.MjModel`.
            value: the value, in the knob's unit.
            default: the arrays of the untouched model, by name.
        """

    @abstractmethod
    def value_in(self, model: Any, default: dict[str, np.ndarray]) -> float:
        """Read the value back from a compiled model."""

    def copy_fields(self, model: Any) -> dict[str, np.ndarray]:
        """Copy the arrays that the knob writes."""
        return {field: getattr(model, field).copy() for field in self.fields}

    def supports(self, env: gymnasium.Env) -> bool:
        """Every MuJoCo world of gymnasium holds a model."""
        return hasattr(env, "model") and hasattr(env, "data")

    def snapshot(self, env: Any) -> dict[str, np.ndarray]:
        """Copy the model arrays of the untouched world."""
        return self.copy_fields(env.model)

    def write(self, env: Any, value: float, default: dict[str, np.ndarray]) -> None:
        """Write the value into the world's model."""
        self.apply(env.model, value, default)

    def read(self, env: Any, default: dict[str, np.ndarray]) -> float:
        """Read the value back from the world's model."""
        return self.value_in(env.model, default)

    def restore(self, env: Any, default: dict[str, np.ndarray]) -> None:
        """Put the untouched arrays back."""
        for field, array in default.items():
            getattr(env.model, field)[:] = array


class Friction(MujocoKnob):
    """Sliding friction of every geom, the floor's included.

    All geoms are written because MuJoCo lets two touching geoms have the *larger* of their
    frictions: lowering the floor's alone changes nothing. Torsional and rolling friction stay, as
    in Slippery Ant (Dohare et al., Nature 2024).

    Unit: the coefficient of sliding friction, above 0; 1 is gymnasium's Ant.
    """

    name: ClassVar[str] = "friction"
    fields: ClassVar[tuple[str, ...]] = ("geom_friction",)

    def apply(self, model: Any, value: float, default: dict[str, np.ndarray]) -> None:
        """Write the first column of `geom_friction`."""
        if value <= 0:
            raise SettingsError(f"friction must be above 0, not {value!r}")
        model.geom_friction[:, 0] = value

    def value_in(self, model: Any, default: dict[str, np.ndarray]) -> float:
        """Return the largest, which is what contacts with it use."""
        return float(model.geom_friction[:, 0].max())


def register_mujoco_knobs() -> None:
    """Make every knob of this file known by its name."""
    register_knob(Friction())
