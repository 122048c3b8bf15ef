"""Every knob between world and agent, on HalfCheetah: one form, one copy and several."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from everlearn.wrappers.change import Change
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.interface import interface_knob_names
from everlearn.wrappers.non_stationary import NonStationary
from everlearn.wrappers.schedules import At
from everlearn.wrappers.values import Values
from everlearn.wrappers.vector_non_stationary import VectorNonStationary

NEUTRAL: dict[str, float | None] = {
    "action-delay": 0,
    "action-gain": 1,
    "action-offset": 0,
    "action-permutation": 0,
    "action-repeat": 1,
    "control-cost-weight": 1,
    "episode-length": 1000,
    "forward-reward-weight": 1,
    "goal-direction": 0,
    "goal-velocity": None,
    "goal-x": None,
    "observation-delay": 0,
    "observation-mask": -1,
    "observation-noise": 0,
    "observation-offset": 0,
    "observation-permutation": 0,
    "observation-scale": 1,
    "observation-sign": 0,
    "reward-scale": 1,
}
"""The value at which a knob does nothing, or None where it always replaces a term."""
OTHER: dict[str, float] = {
    "action-delay": 2,
    "action-gain": -0.7,
    "action-offset": 0.5,
    "action-permutation": 3,
    "action-repeat": 4,
    "control-cost-weight": 3,
    "episode-length": 7,
    "forward-reward-weight": -1,
    "goal-direction": np.pi,
    "goal-velocity": 1.5,
    "goal-x": 2.0,
    "observation-delay": 3,
    "observation-mask": 8,
    "observation-noise": 0.1,
    "observation-offset": 5,
    "observation-permutation": 6,
    "observation-scale": 2,
    "observation-sign": 7,
    "reward-scale": -2,
}
CHANGE_AT = 12
ACTIONS = np.random.default_rng(0).uniform(-1, 1, size=(30, 2, 6)).astype(np.float32)


def world() -> gymnasium.Env:
    return gymnasium.make("HalfCheetah-v5", max_episode_steps=10)


def scalar(*changes: Change) -> NonStationary:
    return NonStationary(world(), changes)


def vector(*changes: Change, n_envs: int = 2) -> VectorNonStationary:
    worlds = SyncVectorEnv([world] * n_envs, autoreset_mode=AutoresetMode.SAME_STEP)
    return VectorNonStationary(worlds, changes)


def stepped(knob: str, before: float | None = None) -> Change:
    first = NEUTRAL[knob] if before is None else before
    first = OTHER[knob] / 2 if first is None else first
    return Change(knob, Values((first, OTHER[knob])), At((CHANGE_AT,)))


def roll(env: Any, n_steps: int = 30) -> list[np.ndarray]:
    """Return what each step gave: observation, reward, truncation."""
    observation, _ = env.reset(seed=0)
    record = [np.append(observation, [0.0, 0.0])]
    for action in ACTIONS[:n_steps, 0]:
        observation, reward, _, truncated, _ = env.step(action)
        record.append(np.append(observation, [reward, truncated]))
        if truncated:
            env.reset()
    return record


def test_every_knob_is_tested_here() -> None:
    assert sorted([*NEUTRAL, "goal-y"]) == interface_knob_names()


@pytest.mark.parametrize("knob", NEUTRAL)
def test_equal_before_the_change_and_different_after(knob: str) -> None:
    changed = roll(scalar(stepped(knob)))
    first = stepped(knob).law.value(0, ())
    unchanged = roll(scalar(Change(knob, Values((first,)), At(()))))
    for step in range(CHANGE_AT):
        np.testing.assert_array_equal(changed[step], unchanged[step])
    assert any((a != b).any() for a, b in zip(changed[12:], unchanged[12:], strict=True))


@pytest.mark.parametrize("knob", [knob for knob, value in NEUTRAL.items() if value is not None])
def test_at_its_neutral_value_it_does_nothing(knob: str) -> None:
    neutral = NEUTRAL[knob]
    assert neutral is not None
    altered = roll(scalar(Change(knob, Values((neutral,)), At(()))))
    for one, other in zip(altered, roll(world()), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("knob", NEUTRAL)
def test_one_copy_lives_as_the_scalar_form_does(knob: str) -> None:
    one, many = scalar(stepped(knob)), vector(stepped(knob), n_envs=1)
    observation, _ = one.reset(seed=0)
    observations, _ = many.reset(seed=0)
    for actions in ACTIONS:
        np.testing.assert_array_equal(observations[0], observation)
        observation, reward, _, truncated, info = one.step(actions[0])
        observations, rewards, _, truncations, infos = many.step(actions[:1])
        assert (rewards[0], truncations[0]) == (reward, truncated)
        assert infos["context"][knob][0] == info["context"][knob]
        if truncated:
            np.testing.assert_array_equal(infos["final_obs"][0], observation)
            observation, _ = one.reset()


@pytest.mark.parametrize("knob", NEUTRAL)
def test_copies_may_have_values_of_their_own(knob: str) -> None:
    change = stepped(knob)
    far = Change(knob, change.law, At((10**9,)), scope="shared")
    mixed = vector(Change(knob, change.law, At((1000,))))
    same = vector(far)
    mixed.reset(seed=0)
    same.reset(seed=0)
    assert mixed._engine.clockwork is not None
    context = mixed._engine.clockwork.context
    context[knob] = np.array([context[knob][0], OTHER[knob]])
    for actions in ACTIONS[:6]:
        one, other = mixed.step(actions), same.step(actions)
        np.testing.assert_array_equal(one[0][0], other[0][0])
        assert one[1][0] == other[1][0]


@pytest.mark.parametrize("knob", NEUTRAL)
def test_observations_lie_in_the_space_it_declares(knob: str) -> None:
    env = scalar(stepped(knob))
    observation, _ = env.reset(seed=0)
    for action in ACTIONS[:, 0]:
        assert env.observation_space.contains(observation)
        observation, _, _, truncated, _ = env.step(action)
        if truncated:
            env.reset()


@pytest.mark.parametrize("knob", NEUTRAL)
def test_it_goes_on_from_its_state(knob: str) -> None:
    env = vector(stepped(knob))
    env.reset(seed=0)
    for actions in ACTIONS[:4]:
        env.step(actions)
    state = env._engine.get_state()
    other = vector(stepped(knob))
    other._engine.set_state(state)
    batch = np.random.default_rng(1).normal(size=(2, 17))
    flags = np.zeros(2, dtype=bool)
    info = {"reward_forward": np.ones(2), "reward_ctrl": np.ones(2), "x_velocity": np.ones(2)}
    info["x_position"] = np.ones(2)
    for actions in ACTIONS[4:9]:
        np.testing.assert_array_equal(env._engine.act(actions), other._engine.act(actions))
        one, two = (
            each._engine.finish(batch, np.ones(2), flags, flags, info) for each in (env, other)
        )
        np.testing.assert_array_equal(one.observations, two.observations)
        np.testing.assert_array_equal(one.rewards, two.rewards)
        np.testing.assert_array_equal(one.truncated, two.truncated)


BAD: Sequence[tuple[str, float, str]] = [
    ("action-delay", 65, "from 0 to 64"),
    ("action-permutation", 0.5, "whole number"),
    ("action-repeat", 0, "at least 1"),
    ("control-cost-weight", -1, "at least 0"),
    ("episode-length", 0, "at least 1"),
    ("observation-delay", -1, "from 0 to 64"),
    ("observation-mask", 17, "from -1 to 16"),
    ("observation-noise", -0.1, "at least 0"),
    ("observation-offset", -1, "at least 0"),
]


@pytest.mark.parametrize(("knob", "value", "sentence"), BAD)
def test_values_without_sense_are_refused(knob: str, value: float, sentence: str) -> None:
    env = scalar(Change(knob, Values((float(value),)), At(())))
    with pytest.raises(SettingsError, match=sentence):
        env.reset(seed=0)


def test_spaces_without_sense_are_refused() -> None:
    cart = gymnasium.make("CartPole-v1")
    with pytest.raises(SettingsError, match="needs continuous actions"):
        NonStationary(cart, [Change("action-gain", Values((1.0,)), At(()))])
    lake = gymnasium.make("FrozenLake-v1")
    with pytest.raises(SettingsError, match="needs observations of floats"):
        NonStationary(lake, [Change("observation-scale", Values((1.0,)), At(()))])
    env = NonStationary(cart, [Change("goal-velocity", Values((1.0,)), At(()))])
    env.reset(seed=0)
    with pytest.raises(SettingsError, match="a world whose info tells x_velocity"):
        env.step(0)


def test_discrete_actions_are_permuted_too() -> None:
    change = Change("action-permutation", Values((0.0, 1.0)), At((1,)))
    env = NonStationary(gymnasium.make("CartPole-v1"), [change])
    env.reset(seed=0)
    swapped = np.random.default_rng(1).permutation(2)
    assert env._engine.act(np.array([0]))[0] == 0
    env.step(0)
    assert env._engine.act(np.array([0]))[0] == swapped[0]


def test_goal_direction_on_the_plane() -> None:
    """By hand: velocity (3, 4), direction of +y: 4 along, 3 across, so 4 - 1.5."""
    from everlearn.wrappers.reward_knobs import GoalDirection

    box = gymnasium.spaces.Box(-1, 1, (2,))
    info = {"reward_forward": np.array([3.0]), "x_velocity": [3.0], "y_velocity": [4.0]}
    rewards = GoalDirection(box, box, 1).reward(np.array([3.0]), info, np.array([np.pi / 2]))
    np.testing.assert_allclose(rewards, [2.5])
