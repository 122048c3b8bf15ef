"""The knobs of classic control and of our small worlds: attributes, written in place."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, final

import gymnasium
from gymnasium.envs.classic_control import (
    AcrobotEnv,
    CartPoleEnv,
    Continuous_MountainCarEnv,
    MountainCarEnv,
    PendulumEnv,
)

from ..wrappers.knobs import Knob, Landing, register_knob
from .cartpoles import TiltedCartPole
from .ranges import ABOVE_0, AT_LEAST_0, NOT_0, Range
from .switching import TwoArmedBandit, TwoStateChain


class Quantity(NamedTuple):
    """One attribute of one classic world.

    Attributes:
        world: the world's class.
        attribute: the attribute's name.
        unit: the unit of its value.
        valid: the values that make sense.
    """

    world: type[gymnasium.Env]
    attribute: str
    unit: str
    valid: Range


QUANTITIES: dict[str, Quantity] = {
    "cartpole-gravity": Quantity(CartPoleEnv, "gravity", "m/s^2", AT_LEAST_0),
    "cartpole-masscart": Quantity(CartPoleEnv, "masscart", "kg", ABOVE_0),
    "cartpole-masspole": Quantity(CartPoleEnv, "masspole", "kg", ABOVE_0),
    "cartpole-length": Quantity(CartPoleEnv, "length", "m, half the pole", ABOVE_0),
    "cartpole-force": Quantity(
        CartPoleEnv, "force_mag", "N, below 0 swaps left and right", Range()
    ),
    "cartpole-timestep": Quantity(CartPoleEnv, "tau", "s", ABOVE_0),
    "acrobot-length": Quantity(AcrobotEnv, "LINK_LENGTH_1", "m, the first link", ABOVE_0),
    "acrobot-mass-1": Quantity(AcrobotEnv, "LINK_MASS_1", "kg", ABOVE_0),
    "acrobot-mass-2": Quantity(AcrobotEnv, "LINK_MASS_2", "kg", ABOVE_0),
    "acrobot-center-1": Quantity(AcrobotEnv, "LINK_COM_POS_1", "m from the joint", ABOVE_0),
    "acrobot-center-2": Quantity(AcrobotEnv, "LINK_COM_POS_2", "m from the joint", ABOVE_0),
    "acrobot-inertia": Quantity(AcrobotEnv, "LINK_MOI", "kg m^2, of each link", ABOVE_0),
    "acrobot-torque": Quantity(AcrobotEnv, "AVAIL_TORQUE", "N m, below 0 swaps sides", NOT_0),
    "acrobot-torque-noise": Quantity(
        AcrobotEnv, "torque_noise_max", "N m, either side", AT_LEAST_0
    ),
    "acrobot-timestep": Quantity(AcrobotEnv, "dt", "s", ABOVE_0),
    "mountaincar-gravity": Quantity(MountainCarEnv, "gravity", "per step^2", AT_LEAST_0),
    "mountaincar-force": Quantity(
        MountainCarEnv, "force", "per step^2, below 0 swaps left and right", Range()
    ),
    "mountaincar-goal": Quantity(MountainCarEnv, "goal_position", "position", Range(-1.2, 0.6)),
    "mountaincar-max-speed": Quantity(
        MountainCarEnv, "max_speed", "per step", Range(0, 0.07, above=True)
    ),
    "mountaincar-continuous-power": Quantity(
        Continuous_MountainCarEnv, "power", "per step^2, below 0 swaps left and right", Range()
    ),
    "mountaincar-continuous-goal": Quantity(
        Continuous_MountainCarEnv, "goal_position", "position", Range(-1.2, 0.6)
    ),
    "mountaincar-continuous-max-speed": Quantity(
        Continuous_MountainCarEnv, "max_speed", "per step", Range(0, 0.07, above=True)
    ),
    "pendulum-gravity": Quantity(PendulumEnv, "g", "m/s^2", AT_LEAST_0),
    "pendulum-mass": Quantity(PendulumEnv, "m", "kg", ABOVE_0),
    "pendulum-length": Quantity(PendulumEnv, "l", "m", ABOVE_0),
    "pendulum-timestep": Quantity(PendulumEnv, "dt", "s", ABOVE_0),
    "tilted-cartpole-track-angle": Quantity(
        TiltedCartPole, "track_angle", "degrees, above 0 for uphill to the right", Range(-60, 60)
    ),
    "tilted-cartpole-damping": Quantity(TiltedCartPole, "damping", "N m s", AT_LEAST_0),
    "bandit-best-arm": Quantity(TwoArmedBandit, "best_arm", "arm", Range(0, 1, whole=True)),
    "chain-goal": Quantity(TwoStateChain, "goal", "state", Range(0, 1, whole=True)),
    "pendulum-max-torque": Quantity(PendulumEnv, "max_torque", "N m", Range(0, 2, above=True)),
}
"""Every such knob by its name; all land in place.

Speeds end at the bounds of the observation space. Pendulum's torque ends at 2 because its actions
do. Acrobot's second length is no knob: its motion does not depend on it.
"""


@final
class ClassicKnob(Knob):
    """One attribute of a classic world, and what the world computed from it once.

    CartPole keeps its total mass and the pole's moment aside: both are computed again, without
    which a new cart's mass does nothing. Acrobot's quantities belong to its class: only the
    instance is written, so that other worlds keep theirs.

    Args:
        name: the knob's name, a key of `QUANTITIES`.
        quantity: what it moves.
    """

    landing: ClassVar[Landing] = Landing.IN_PLACE
    name: str  # type: ignore[misc]

    def __init__(self, name: str, quantity: Quantity) -> None:
        self.name = name
        self.quantity = quantity

    def writes(self) -> tuple[str, ...]:
        """Name the attribute, so that no other knob of the same world writes it too."""
        return (self.quantity.attribute,)

    def supports(self, env: gymnasium.Env) -> bool:
        """Say whether a world is of the quantity's class."""
        return isinstance(env, self.quantity.world)

    def snapshot(self, env: Any) -> dict[str, Any]:
        """Copy the attribute, if it is the instance's own and not its class's."""
        attribute = self.quantity.attribute
        return {attribute: vars(env)[attribute]} if attribute in vars(env) else {}

    def write(self, env: Any, value: float, default: dict[str, Any]) -> None:
        """Set the attribute, and what depends on it.

        Raises:
            SettingsError: for a value that makes no sense.
        """
        self.quantity.valid.check(self.name, value)
        torques = self.quantity.attribute == "AVAIL_TORQUE"
        setattr(env, self.quantity.attribute, [-value, 0.0, value] if torques else value)
        _compute_totals(env)

    def read(self, env: Any, default: dict[str, Any]) -> float:
        """Read the attribute."""
        value = getattr(env, self.quantity.attribute)
        return float(value[-1] if isinstance(value, list) else value)

    def restore(self, env: Any, default: dict[str, Any]) -> None:
        """Put the attribute back, or uncover the class's."""
        vars(env).pop(self.quantity.attribute, None)
        vars(env).update(default)
        _compute_totals(env)


def register_classic_knobs() -> None:
    """Make every knob of a classic world known by its name."""
    for name, quantity in QUANTITIES.items():
        register_knob(ClassicKnob(name, quantity))


def _compute_totals(env: Any) -> None:
    if isinstance(env, CartPoleEnv):
        env.total_mass = env.masspole + env.masscart
        env.polemass_length = env.masspole * env.length
