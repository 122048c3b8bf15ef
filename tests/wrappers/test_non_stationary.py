"""The wrapper on a small MuJoCo world; every trajectory here has the same actions."""

import json
import pickle
from collections.abc import Sequence

import gymnasium
import numpy as np
import pytest

import everlearn.envs  # noqa: F401 - registers the knobs
from everlearn.wrappers.change import Change
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.knobs import KnobBoard
from everlearn.wrappers.non_stationary import NonStationary
from everlearn.wrappers.schedules import At, Periodic
from everlearn.wrappers.values import LogUniform, Values

SLIDE = Change("friction", Values((0.4, 0.05)), At((60,)))
STAY = Change("friction", Values((0.4,)), At(()))


def make(changes: Sequence[Change] = (SLIDE,), **settings: object) -> gymnasium.Env:
    world = gymnasium.make("HalfCheetah-v5", max_episode_steps=50)
    return NonStationary(world, changes, **settings)  # type: ignore[arg-type]


def roll(env: gymnasium.Env, n_steps: int, seed: int = 0) -> tuple[np.ndarray, list[dict]]:
    actions = np.random.default_rng(1).uniform(-1, 1, size=(n_steps, 6))
    observation, info = env.reset(seed=seed)
    observations, infos = [observation], [info]
    for action in actions:
        observation, _, terminated, truncated, info = env.step(action)
        observations.append(observation)
        infos.append(info)
        if terminated or truncated:
            env.reset()
    return np.array(observations), infos


def test_equal_before_the_change_and_different_after() -> None:
    changed, infos = roll(make([SLIDE]), 120)
    unchanged, _ = roll(make([STAY]), 120)
    np.testing.assert_array_equal(changed[:61], unchanged[:61])
    assert np.abs(changed[61:] - unchanged[61:]).max() > 0.01
    assert [info["changed"] for info in infos].index(True) == 60


def test_the_clock_survives_resets_and_a_seed_begins_a_new_life() -> None:
    env = make([SLIDE])
    _, infos = roll(env, 70)
    assert infos[60]["context"] == {"friction": 0.05}
    assert infos[70]["steps_since_change"] == 10
    _, info = env.reset()
    assert (info["segment"], info["steps_since_change"]) == (1, 10)
    _, info = env.reset(seed=0)
    assert (info["segment"], info["steps_since_change"]) == (0, 0)
    assert info["context"] == {"friction": 0.4}


def test_info_tells_what_the_simulator_holds() -> None:
    env = make([Change("friction", LogUniform(0.02, 2.0), Periodic(7))])
    _, info = env.reset(seed=3)
    for _ in range(40):
        friction = env.unwrapped.model.geom_friction[:, 0]  # type: ignore[attr-defined]
        assert (friction == info["context"]["friction"]).all()
        _, _, _, _, info = env.step(env.action_space.sample())


def test_reverted_is_bit_equal_to_fresh_after_many_changes() -> None:
    env = gymnasium.make("HalfCheetah-v5")
    fresh = env.unwrapped.model.geom_friction.copy()  # type: ignore[attr-defined]
    board = KnobBoard(env, ["friction"])
    for value in np.geomspace(0.02, 2.0, 100):
        board.write({"friction": value})
        assert board.read() == {"friction": value}
        board.restore()
    np.testing.assert_array_equal(env.unwrapped.model.geom_friction, fresh)  # type: ignore[attr-defined]


def test_a_change_at_an_episodes_last_step_is_told_once() -> None:
    env = make([Change("friction", Values((0.4, 0.05)), At((50,)))])
    _, infos = roll(env, 50)
    assert infos[50]["changed"]
    env = make([Change("friction", Values((0.4, 0.05)), At((50,)))])
    env.reset(seed=0)
    for _ in range(50):
        _, _, _, _, info = env.step(env.action_space.sample())
    assert info["changed"]
    _, info = env.reset()
    assert not info["changed"]
    assert info["context"] == {"friction": 0.05}


def test_its_own_seed_outranks_the_reset_seed() -> None:
    change = Change("friction", LogUniform(0.02, 2.0), Periodic(5))
    contexts = [make([change], seed=9).reset(seed=seed)[1]["context"] for seed in (0, 1)]
    assert contexts[0] == contexts[1]
    assert make([change]).reset(seed=0)[1]["context"] != contexts[0]


def test_boundary_labels_are_told_on_demand_only() -> None:
    _, infos = roll(make(), 61)
    assert "boundary" not in infos[60]
    _, infos = roll(make(boundary_labels=True), 61)
    assert [info["boundary"] for info in infos].index(True) == 60


def test_a_spec_rebuilds_it() -> None:
    env = make([SLIDE], seed=4)
    spec = env.spec
    assert spec is not None
    again = gymnasium.make(gymnasium.envs.registration.EnvSpec.from_json(spec.to_json()))
    assert json.loads(spec.to_json()) == json.loads(again.spec.to_json())  # type: ignore[union-attr]
    np.testing.assert_array_equal(roll(env, 80)[0], roll(again, 80)[0])


def test_changes_pickle() -> None:
    assert pickle.loads(pickle.dumps(SLIDE)) == SLIDE


def test_an_unknown_knob_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="unknown knob 'frictoin': did you mean 'friction'"):
        make([Change("frictoin", Values((1.0,)), At(()))])


def test_a_world_without_the_knob_is_refused() -> None:
    with pytest.raises(SettingsError, match="'CartPole-v1' has no knob 'friction'"):
        NonStationary(gymnasium.make("CartPole-v1"), [SLIDE])
