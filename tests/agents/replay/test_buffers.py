from __future__ import annotations

import pickle
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from everlearn.agents.replay.buffers import LeanReplayBuffer

ACTION = spaces.Box(-1, 1, (2,))


class World:
    """Steps of several copies with ends, time limits and resets from outside."""

    def __init__(self, space: spaces.Space, n_envs: int, seed: int = 0) -> None:
        self.space, self.n_envs = space, n_envs
        self.random = np.random.default_rng(seed)
        self.space.seed(seed)
        self.now = self.observe()

    def observe(self) -> np.ndarray:
        return np.stack([self.space.sample() for _ in range(self.n_envs)])

    def step(self) -> tuple[Any, ...]:
        end, done = self.observe(), self.random.random(self.n_envs) < 0.2
        timeouts = done & (self.random.random(self.n_envs) < 0.5)
        begin, self.now = self.now, np.array(end)
        self.now[done] = self.observe()[done]
        if self.random.random() < 0.05:
            self.now = self.observe()
        action = self.random.uniform(-1, 1, (self.n_envs, 2)).astype(np.float32)
        infos = [{"TimeLimit.truncated": bool(timeout)} for timeout in timeouts]
        return begin, end, action, self.random.normal(size=self.n_envs), done, infos


def same_samples(plain: ReplayBuffer, lean: ReplayBuffer, env: Any = None) -> bool:
    """Tell whether both give the same, but for doubles that the lean one rounded."""
    state = np.random.get_state()
    first = plain.sample(64, env)
    np.random.set_state(state)
    second = lean.sample(64, env)
    rounded = [part.float() if part.dtype == torch.float64 else part for part in first[:5]]
    return all(
        one.dtype == other.dtype and torch.equal(one, other)
        for one, other in zip(rounded, second[:5], strict=True)
    )


@pytest.mark.parametrize("size", [1, 2, 7, 50])
@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-1, 1, (3,)),
        spaces.Box(-1, 1, (3,), dtype=np.float64),
        spaces.Box(0, 255, (4, 4, 1), dtype=np.uint8),
        spaces.Discrete(5),
    ],
    ids=["float32", "float64", "image", "discrete"],
)
@pytest.mark.parametrize("handle_timeouts", [True, False])
def test_samples_are_those_of_sb3(
    space: spaces.Space, n_envs: int, size: int, handle_timeouts: bool
) -> None:
    settings: dict[str, Any] = {"n_envs": n_envs, "handle_timeout_termination": handle_timeouts}
    plain, lean = (
        kind(size * n_envs, space, ACTION, "cpu", **settings)
        for kind in (ReplayBuffer, LeanReplayBuffer)
    )
    world = World(space, n_envs)
    for _ in range(120):
        step = world.step()
        plain.add(*step)
        lean.add(*step)
        assert (plain.pos, plain.full, plain.size()) == (lean.pos, lean.full, lean.size())
        assert same_samples(plain, lean)


def test_samples_are_normalised_as_in_sb3() -> None:
    env = VecNormalize(DummyVecEnv([lambda: gymnasium.make("Pendulum-v1")] * 2))
    env.reset()
    for _ in range(20):
        env.step(np.zeros((2, 1)))
    settings = (40, env.observation_space, ACTION, "cpu", 2)
    plain, lean = ReplayBuffer(*settings), LeanReplayBuffer(*settings)
    world = World(env.observation_space, 2)
    for _ in range(30):
        step = world.step()
        plain.add(*step)
        lean.add(*step)
    assert same_samples(plain, lean, env)


def test_what_is_overwritten_is_forgotten() -> None:
    lean = LeanReplayBuffer(20, spaces.Box(-1, 1, (3,)), ACTION, "cpu", n_envs=2)
    world = World(lean.observation_space, 2)
    for _ in range(500):
        lean.add(*world.step())
    assert len(lean._endings) == lean.broken.sum() <= 20
    lean.reset()
    assert (lean.size(), lean.n_added, len(lean._endings)) == (0, 0, 0)


def test_it_goes_through_pickle() -> None:
    lean = LeanReplayBuffer(20, spaces.Box(-1, 1, (3,)), ACTION, "cpu", n_envs=2)
    world = World(lean.observation_space, 2)
    for _ in range(33):
        lean.add(*world.step())
    again = pickle.loads(pickle.dumps(lean))
    step = world.step()
    lean.add(*step)
    again.add(*step)
    assert same_samples(lean, again)


def test_arrays_of_half_cheetah_take_no_more_than_their_transitions() -> None:
    observation = spaces.Box(-np.inf, np.inf, (17,), dtype=np.float64)
    lean = LeanReplayBuffer(10_000, observation, spaces.Box(-1, 1, (6,)), "cpu", n_envs=8)
    arrays = [value for value in vars(lean).values() if isinstance(value, np.ndarray)]
    # An observation, an action and a reward in float32, and three flags.
    assert sum(array.nbytes for array in arrays) < 1.01 * 10_000 * (4 * (17 + 6 + 1) + 3)


@pytest.mark.parametrize("n_steps", [12, 33])
def test_its_arrays_are_those_of_sb3(n_steps: int) -> None:
    space = spaces.Box(-1, 1, (3,))
    world, plain, lean = (
        World(space, 2),
        ReplayBuffer(40, space, ACTION, n_envs=2),
        LeanReplayBuffer(40, space, ACTION, n_envs=2),
    )
    for _ in range(n_steps):
        step = world.step()
        plain.add(*step)
        lean.add(*step)
    kept = plain.size()
    names = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
    for name in names:
        assert getattr(lean, name).shape == getattr(plain, name).shape, name
        assert np.array_equal(getattr(lean, name)[:kept], getattr(plain, name)[:kept]), name


def test_steps_of_another_buffer_can_be_added() -> None:
    """Whose rows tell each time limit as an array of one element."""
    space = spaces.Box(-1, 1, (3,))
    world, plain = World(space, 1), ReplayBuffer(60, space, ACTION)
    for _ in range(60):
        plain.add(*world.step())
    lean = LeanReplayBuffer(60, space, ACTION)
    infos = [[{"TimeLimit.truncated": cut_off}] for cut_off in plain.timeouts]
    steps = (plain.observations, plain.next_observations, plain.actions, plain.rewards)
    lean.extend(*steps, plain.dones, infos)
    assert lean.timeouts.any()
    assert same_samples(plain, lean)
    again = LeanReplayBuffer(60, space, ACTION)
    steps = (lean.observations, lean.next_observations, lean.actions, lean.rewards)
    again.extend(*steps, lean.dones, infos)
    assert same_samples(plain, again)
