"""The traps of classic control's attributes."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

from everlearn.envs.classic_knobs import QUANTITIES
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.knobs import KnobBoard


def make(name: str) -> Any:
    return gymnasium.make(name, disable_env_checker=True).unwrapped


def swing(env: Any, n_steps: int = 8) -> np.ndarray:
    env.reset(seed=0)
    return np.array([env.step(step % env.action_space.n)[0] for step in range(n_steps)])


def test_a_new_mass_alone_would_do_nothing_in_cartpole() -> None:
    env = make("CartPole-v1")
    before = swing(env)
    env.masscart = 5.0
    np.testing.assert_array_equal(swing(env), before)
    env.masscart = 1.0
    KnobBoard(env, ["cartpole-masscart"]).write({"cartpole-masscart": 5.0})
    assert np.abs(swing(env) - before).max() > 0.01


def test_cartpoles_totals_follow_several_knobs() -> None:
    env = make("CartPole-v1")
    board = KnobBoard(env, ["cartpole-length", "cartpole-masspole", "cartpole-masscart"])
    board.write({"cartpole-length": 2.0, "cartpole-masspole": 0.3, "cartpole-masscart": 4.0})
    assert (env.total_mass, env.polemass_length) == (4.3, 0.6)
    board.restore()
    fresh = make("CartPole-v1")
    assert (env.total_mass, env.polemass_length) == (fresh.total_mass, fresh.polemass_length)


def test_a_negative_force_swaps_left_and_right() -> None:
    env = make("CartPole-v1")
    KnobBoard(env, ["cartpole-force"]).write({"cartpole-force": -10.0})
    env.reset(seed=0)
    swapped = env.step(1)[0]
    other = make("CartPole-v1")
    other.reset(seed=0)
    np.testing.assert_array_equal(swapped, other.step(0)[0])


def test_acrobots_class_stays_as_it_is() -> None:
    env, other = make("Acrobot-v1"), make("Acrobot-v1")
    board = KnobBoard(env, ["acrobot-mass-1", "acrobot-torque"])
    board.write({"acrobot-mass-1": 3.0, "acrobot-torque": -2.0})
    assert board.read() == {"acrobot-mass-1": 3.0, "acrobot-torque": -2.0}
    assert (env.LINK_MASS_1, env.AVAIL_TORQUE) == (3.0, [2.0, 0.0, -2.0])
    assert (other.LINK_MASS_1, type(env).LINK_MASS_1) == (1.0, 1.0)
    board.restore()
    assert not {"LINK_MASS_1", "AVAIL_TORQUE"} & set(vars(env))
    assert board.read() == {"acrobot-mass-1": 1.0, "acrobot-torque": 1.0}


def test_acrobots_second_length_is_dead_and_no_knob() -> None:
    env = make("Acrobot-v1")
    before = swing(env, 100)
    env.LINK_LENGTH_2 = 3.0
    np.testing.assert_array_equal(swing(env, 100), before)
    assert "LINK_LENGTH_2" not in {quantity.attribute for quantity in QUANTITIES.values()}


@pytest.mark.parametrize("name", ["MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"])
def test_bounds_keep_to_the_spaces(name: str) -> None:
    env = make(name)
    top = {"max_speed": env.observation_space.high[-1]}
    if name == "Pendulum-v1":
        top = {"max_torque": env.action_space.high[0]}
    for knob, quantity in QUANTITIES.items():
        if isinstance(env, quantity.world) and quantity.attribute in top:
            assert quantity.valid.most == pytest.approx(top[quantity.attribute])
            with pytest.raises(SettingsError, match=f"{knob} must be above 0 and at most"):
                KnobBoard(env, [knob]).write({knob: 2 * quantity.valid.most})


def test_a_knob_belongs_to_its_world_alone() -> None:
    with pytest.raises(SettingsError, match="'MountainCarContinuous-v0' has no knob"):
        KnobBoard(make("MountainCarContinuous-v0"), ["mountaincar-goal"])
    with pytest.raises(SettingsError, match="did you mean 'cartpole-length'"):
        KnobBoard(make("CartPole-v1"), ["cartpole-lenght"])


@pytest.mark.parametrize(
    ("name", "knob", "value", "sentence"),
    [
        ("CartPole-v1", "cartpole-masscart", 0.0, "cartpole-masscart must be above 0, not 0.0"),
        (
            "MountainCar-v0",
            "mountaincar-goal",
            0.7,
            "mountaincar-goal must be from -1.2 to 0.6, not 0.7",
        ),
        (
            "Acrobot-v1",
            "acrobot-torque",
            0.0,
            "acrobot-torque must be a number other than 0, not 0.0",
        ),
    ],
)
def test_nonsense_is_one_sentence(name: str, knob: str, value: float, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        KnobBoard(make(name), [knob]).write({knob: value})
    assert str(caught.value) == sentence
