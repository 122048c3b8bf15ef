"""Worlds that are put back into a state go on to the last bit."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from everlearn.envs import make_stream, make_vec_env
from everlearn.envs.backends import Backend
from everlearn.envs.catalogue import CATALOGUE
from everlearn.envs.stream import Stream
from everlearn.envs.vec_env import StreamVecEnv
from everlearn.envs.world_state import keeps_state
from everlearn.wrappers.change import Change
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.schedules import Periodic
from everlearn.wrappers.values import Uniform

ANT = "everlearn/SlipperyAnt-v0:change_every=30"

WORLDS = [
    "Acrobot-v1",
    "Ant-v5",
    "CartPole-v1",
    "FrozenLake-v1",
    "HalfCheetah-v5",
    "Hopper-v5",
    "Humanoid-v5",
    "HumanoidStandup-v5",
    "InvertedDoublePendulum-v5",
    "InvertedPendulum-v5",
    "MountainCar-v0",
    "MountainCarContinuous-v0",
    "Pendulum-v1",
    "Pusher-v5",
    "Reacher-v5",
    "Swimmer-v5",
    "Taxi-v4",
    "Walker2d-v5",
    "everlearn/EndlessCartPole-v0",
    "everlearn/TiltedCartPole-v0",
    "everlearn/TwoArmedBandit-v0",
    "everlearn/TwoStateChain-v0",
]


def roll(venv: StreamVecEnv, n_steps: int, seed: int) -> list[Any]:
    generator = np.random.default_rng(seed)
    steps = []
    for _ in range(n_steps):
        space = venv.action_space
        if isinstance(space, spaces.Box):
            actions: Any = generator.uniform(space.low, space.high, (venv.num_envs, *space.shape))
        else:
            assert isinstance(space, spaces.Discrete)
            actions = generator.integers(0, space.n, venv.num_envs)
        observations, rewards, dones, infos = venv.step(actions)
        told = [
            {key: value for key, value in info.items() if key != "episode"}
            | {key: info["episode"][key] for key in ("r", "l") if "episode" in info}
            for info in infos
        ]
        steps.append((np.array(observations), rewards.copy(), dones.copy(), told))
    return steps


def begin_anew(venv: StreamVecEnv, seed: int) -> Any:
    venv.prepare_anew(seed)
    return venv.reset()


def compare(ours: list[Any], theirs: list[Any]) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_equal(mine, other)


def make(stream: Any, backend: Backend) -> Any:
    return make_vec_env(stream, n_envs=2, seed=3, backend=backend)


@pytest.mark.parametrize("world", WORLDS)
def test_gymnasiums_worlds_go_on_to_the_last_bit(world: str) -> None:
    if world not in gymnasium.registry:
        pytest.skip("not in this gymnasium")
    stream = Stream(name="plain", worlds=(world,))
    assert keeps_state(stream, "gymnasium")
    venv, fresh = make(stream, "gymnasium"), make(stream, "gymnasium")
    venv.reset()
    roll(venv, 45, seed=0)
    fresh.set_state(venv.get_state())
    compare(roll(venv, 120, seed=1), roll(fresh, 120, seed=1))


@pytest.mark.parametrize("backend", ["gymnasium", "native"])
@pytest.mark.parametrize("stream", ["SlipperyAnt-v0:change_every=30", "WalkerPhysics-v0"])
def test_changing_worlds_go_on_to_the_last_bit(stream: str, backend: Backend) -> None:
    venv, fresh = make(f"everlearn/{stream}", backend), make(f"everlearn/{stream}", backend)
    venv.reset()
    roll(venv, 40, seed=0)
    state = venv.get_state()
    first = roll(venv, 100, seed=1)
    fresh.set_state(state)
    compare(first, roll(fresh, 100, seed=1))
    venv.set_state(state)
    compare(first, roll(venv, 100, seed=1))


def test_what_stands_between_world_and_agent_goes_on_too() -> None:
    changes = (
        Change("observation-noise", Uniform(0, 1), Periodic(30)),
        Change("reward-scale", Uniform(0, 2), Periodic(40)),
    )
    stream = Stream(name="mixed", worlds=("Pendulum-v1",), changes=changes, observed="context")
    venv, fresh = make(stream, "gymnasium"), make(stream, "gymnasium")
    venv.reset()
    roll(venv, 47, seed=0)
    fresh.set_state(venv.get_state())
    compare(roll(venv, 100, seed=1), roll(fresh, 100, seed=1))


def test_the_stream_is_told_at_once() -> None:
    venv, fresh = make(ANT, "native"), make(ANT, "native")
    venv.reset()
    last = roll(venv, 40, seed=0)[-1][3]
    fresh.set_state(venv.get_state())
    for info, told in zip(last, fresh.reset_infos, strict=True):
        assert {key: info[key] for key in told} == told
        assert {"segment", "steps_since_change", "context"} <= set(told)


@pytest.mark.parametrize("backend", ["gymnasium", "native", "envpool"])
def test_worlds_begun_anew_are_a_function_of_clocks_and_seed(backend: Backend) -> None:
    venv, fresh = make(ANT, backend), make(ANT, backend)
    venv.reset()
    roll(venv, 40, seed=0)
    state = {**venv.get_state(), "worlds": None}
    first = begin_anew(venv, 7)
    fresh.set_state(state)
    np.testing.assert_array_equal(begin_anew(fresh, 7), first)
    ours = roll(venv, 100, seed=1)
    compare(ours, roll(fresh, 100, seed=1))
    assert ours[0][3][0]["segment"] >= 2
    venv.close()
    fresh.close()


def test_a_sequence_of_worlds_is_begun_anew_in_its_task() -> None:
    cycle = "everlearn/WalkerCycle-v0:steps_per_task=40"
    venv, fresh = make(cycle, "auto"), make(cycle, "auto")
    venv.reset()
    roll(venv, 30, seed=0)
    state = venv.get_state()
    assert state["worlds"] is None
    first = begin_anew(venv, 5)
    fresh.set_state(state)
    np.testing.assert_array_equal(begin_anew(fresh, 5), first)
    compare(roll(venv, 60, seed=1), roll(fresh, 60, seed=1))
    venv.close()
    fresh.close()


@pytest.mark.parametrize("stream", CATALOGUE)
def test_what_is_said_before_is_what_is_found(stream: str) -> None:
    described = make_stream(stream)
    backends: tuple[Backend, ...] = ("auto", "gymnasium")
    for backend in backends:
        try:
            venv = make(described, backend)
        except SettingsError:
            continue
        assert venv.keeps_state == keeps_state(described, backend)
        venv.close()


def test_worlds_nobody_knows_keep_no_state() -> None:
    gymnasium.register("nobody/Knows-v0", lambda **_: gymnasium.make("CartPole-v1"))
    stream = Stream(name="unknown", worlds=("nobody/Knows-v0",))
    assert not keeps_state(stream, "gymnasium")
    venv = make(stream, "gymnasium")
    venv.reset()
    assert venv.get_state()["worlds"] is None
    del gymnasium.registry["nobody/Knows-v0"]
