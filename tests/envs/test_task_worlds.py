"""Whole worlds one after the other: one pair of spaces, exact budgets, nothing left behind."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, Space
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from everlearn.envs.envpool_worlds import EnvPoolWorlds
from everlearn.envs.task_spaces import (
    pad_observations,
    real_entries,
    translate_actions,
    union_actions,
    union_observations,
)
from everlearn.envs.task_worlds import TaskWorlds
from everlearn.envs.vec_env import StreamVecEnv
from everlearn.wrappers.change import Change
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.schedules import At, Periodic
from everlearn.wrappers.values import Values
from everlearn.wrappers.vector_non_stationary import VectorNonStationary

CONTROL = ("CartPole-v1", "Acrobot-v1", "LunarLander-v3")


def control(n_envs: int = 2, **settings: Any) -> TaskWorlds:
    return TaskWorlds(
        [partial(EnvPoolWorlds, world, n_envs, num_threads=1) for world in CONTROL],
        CONTROL,
        **settings,
    )


def sequence(n_envs: int, budget: int, tasks: tuple[float, ...] = (0, 1, 2)) -> VectorEnv:
    change = Change("task", Values(tasks), Periodic(budget))
    return VectorNonStationary(control(n_envs), [change])


class Echo(gymnasium.Env):
    """Tells in its reward what action it got."""

    def __init__(self, observations: Space, actions: Space) -> None:
        self.observation_space, self.action_space = observations, actions

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        return self.observation_space.sample(), float(np.sum(action)), False, False, {}


def echoes(*spaces: tuple[Space, Space]) -> TaskWorlds:
    def factory(observations: Space, actions: Space) -> Callable[[], VectorEnv]:
        return lambda: SyncVectorEnv(
            [partial(Echo, observations, actions)] * 2, autoreset_mode=AutoresetMode.SAME_STEP
        )

    return TaskWorlds(
        [factory(*pair) for pair in spaces], [f"echo {i}" for i in range(len(spaces))]
    )


def test_observations_are_padded_with_zeros_and_the_mask_says_where() -> None:
    worlds = control(tell_mask=True)
    assert worlds.single_observation_space.shape == (8,)
    assert worlds.single_action_space == Discrete(4)
    for task, size in enumerate((4, 6, 8)):
        worlds.set_context({"task": task})
        observations, info = worlds.reset()
        assert observations in worlds.observation_space
        assert (observations[:, size:] == 0).all()
        assert (observations[:, :size] != 0).any()
        assert info["observation_mask"].sum(axis=1).tolist() == [size] * 2
        assert info["task_name"].tolist() == [CONTROL[task]] * 2
    worlds.close()


def test_last_observations_are_padded_too() -> None:
    worlds = control()
    worlds.reset(seed=0)
    for _ in range(30):
        _, _, terminated, _, info = worlds.step(np.ones(2, dtype=np.int64))
        for i in np.flatnonzero(terminated):
            assert info["final_obs"][i].shape == (8,)
    assert terminated.shape == (2,)
    worlds.close()


def test_equal_images_stay_images() -> None:
    names = ("SpaceInvaders-v5", "MsPacman-v5")
    worlds = TaskWorlds([partial(EnvPoolWorlds, name, 1) for name in names], names)
    assert worlds.single_observation_space == Box(0, 255, (4, 84, 84), np.uint8)
    assert worlds.single_action_space == Discrete(9)
    assert worlds.reset(seed=0)[0].dtype == np.uint8
    worlds.close()


def test_actions_that_a_task_lacks_are_its_action_0() -> None:
    worlds = echoes((Box(0, 1, (1,)), Discrete(2)), (Box(0, 1, (1,)), Discrete(5)))
    worlds.reset(seed=0)
    assert worlds.step(np.array([1, 4]))[1].tolist() == [1, 0]
    worlds.set_context({"task": 1})
    worlds.reset()
    assert worlds.step(np.array([1, 4]))[1].tolist() == [1, 4]


def test_continuous_actions_are_cut_and_scaled() -> None:
    observations = Box(0, 1, (1,))
    worlds = echoes((observations, Box(-1, 1, (1,))), (observations, Box(-2, 2, (2,))))
    assert worlds.single_action_space == Box(-2, 2, (2,))
    worlds.reset(seed=0)
    assert worlds.step(np.array([[2.0, 9.0], [-1.0, 9.0]]))[1].tolist() == [1.0, -0.5]
    worlds.set_context({"task": 1})
    worlds.reset()
    assert worlds.step(np.array([[2.0, 1.0], [-1.0, 0.5]]))[1].tolist() == [3.0, -0.5]


def test_equal_bounds_pass_actions_through_bit_for_bit() -> None:
    own, union = Box(-1, 1, (3,)), Box(-1, 1, (5,))
    actions = np.random.default_rng(0).uniform(-1, 1, (4, 5)).astype(np.float32)
    np.testing.assert_array_equal(translate_actions(actions, own, union), actions[:, :3])
    np.testing.assert_array_equal(translate_actions(actions[0], own, union), actions[0, :3])


def test_one_and_many_are_padded_alike() -> None:
    own, union = Box(-1, 1, (2, 2)), Box(-1, 1, (6,))
    many = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    padded = pad_observations(many, own, union)
    assert padded.tolist() == [[0, 1, 2, 3, 0, 0], [4, 5, 6, 7, 0, 0]]
    np.testing.assert_array_equal(pad_observations(many[1], own, union), padded[1])
    assert real_entries(own, union).tolist() == [True] * 4 + [False] * 2


def test_spaces_without_a_union_are_refused() -> None:
    image, small_image = Box(0, 255, (4, 84, 84), np.uint8), Box(0, 255, (3, 84, 84), np.uint8)
    with pytest.raises(SettingsError, match="must be of one shape"):
        union_observations([image, small_image])
    with pytest.raises(SettingsError, match="bytes and of real numbers"):
        union_observations([Box(0, 255, (4,), np.uint8), Box(0, 1, (4,))])
    with pytest.raises(SettingsError, match="must be boxes"):
        union_observations([Box(0, 1, (4,)), Discrete(2)])
    with pytest.raises(SettingsError, match="cannot mix"):
        union_actions([Box(-1, 1, (4,)), Discrete(2)])
    with pytest.raises(SettingsError, match="begin at 0"):
        union_actions([Discrete(2, start=1), Discrete(2)])
    with pytest.raises(SettingsError, match="infinite bounds"):
        union_actions([Box(-1, 1, (1,)), Box(-np.inf, np.inf, (1,))])
    assert union_actions([Box(-np.inf, np.inf, (n,)) for n in (1, 2)]).shape == (2,)


def test_wrong_tasks_and_worlds_are_refused() -> None:
    worlds = control()
    with pytest.raises(SettingsError, match="tasks 0 to 2, no task 3"):
        worlds.set_context({"task": 3})
    with pytest.raises(SettingsError, match=r"no task 0\.5"):
        worlds.set_context({"task": 0.5})
    with pytest.raises(SettingsError, match="must be the same in every copy"):
        worlds.set_context({"task": np.array([0, 1])})
    with pytest.raises(SettingsError, match="same number of copies"):
        TaskWorlds([partial(EnvPoolWorlds, "Ant-v5", n) for n in (1, 2)], ["a", "b"])
    with pytest.raises(SettingsError, match="0 tasks"):
        TaskWorlds([], [])
    with pytest.raises(SettingsError, match="SameStepAutoreset"):
        TaskWorlds([partial(gymnasium.make_vec, "CartPole-v1", 1)], ["balance"])


def test_the_rest_of_a_context_reaches_the_tasks_own_world() -> None:
    factory = partial(EnvPoolWorlds, "Ant-v5", 2, ["friction"])
    worlds, plain = TaskWorlds([factory] * 2, ["first", "second"]), factory()
    assert not worlds.set_context({"task": np.array([0, 0]), "friction": np.array([0.1, 0.1])})
    worlds.reset(seed=0)
    assert worlds.set_context({"friction": np.array([2.0, 2.0])})
    worlds.reset()
    assert worlds.set_context({"task": 1})
    first, _ = worlds.reset()
    assert worlds._open[1]._model_file._context == {"friction": 2.0}  # type: ignore[attr-defined]
    assert first.shape == plain.observation_space.shape
    worlds.close()
    plain.close()


def test_a_knob_that_a_tasks_world_cannot_move_is_no_silent_nothing() -> None:
    worlds = echoes((Box(0, 1, (1,)), Discrete(2)))
    worlds.set_context({"task": 0, "friction": 0.5})
    with pytest.raises(SettingsError, match="world of task 'echo 0' cannot change 'friction'"):
        worlds.reset(seed=0)


@pytest.mark.parametrize("n_envs", [1, 2, 3])
def test_budgets_are_exact(n_envs: int) -> None:
    """A change lands at the first vector step at or after its moment."""
    env = sequence(n_envs, budget=50)
    env.reset(seed=0)
    expected = np.zeros(3, dtype=int)
    counted = np.zeros(3, dtype=int)
    for clock in range(0, 180, n_envs):
        expected[clock // 50 % 3] += n_envs
        worlds: TaskWorlds = env.unwrapped  # type: ignore[assignment]
        counted[worlds.task] += n_envs
        _, _, terminated, truncated, info = env.step(np.zeros(n_envs, dtype=np.int64))
        landed = (clock + n_envs) // 50 > clock // 50
        assert info["changed"].all() == landed
        assert (terminated | truncated).all() or not landed
        assert not terminated[truncated].any()
        assert info["context"]["task"][0] == worlds.task
    np.testing.assert_array_equal(counted, expected)
    env.close()


class TaskCounter(BaseCallback):
    """Counts each task's steps as a learner sees them."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: list[int] = [0]

    def _on_step(self) -> bool:
        infos = self.locals["infos"]
        self.tasks.extend([int(infos[0]["context"]["task"])])
        return True


def test_a_rollout_goes_on_across_the_boundary() -> None:
    """Rollouts of 32 steps of 2 copies, and a new task every 50 steps: boundaries fall inside."""
    venv = StreamVecEnv(sequence(2, budget=50), seed=0)
    model = PPO("MlpPolicy", venv, n_steps=32, batch_size=32, n_epochs=1, seed=0, device="cpu")
    counter = TaskCounter()
    model.learn(384, callback=counter)
    assert model.num_timesteps == 384
    assert len(counter.tasks) == 384 // 2 + 1
    assert counter.tasks[:-1] == [step * 2 // 50 % 3 for step in range(192)]
    venv.close()


def test_a_cut_episode_is_truncated_and_keeps_its_last_observation() -> None:
    venv = StreamVecEnv(sequence(2, budget=6), seed=0)
    venv.reset()
    for _ in range(2):
        _, _, dones, _ = venv.step(np.array([0, 1]))
        assert not dones.any()
    observations, _, dones, infos = venv.step(np.array([0, 1]))
    assert dones.all()
    for i, info in enumerate(infos):
        assert info["TimeLimit.truncated"]
        assert info["episode"]["l"] == 3
        # CartPole's last, then Acrobot's first: two sines and cosines of small angles.
        assert (info["terminal_observation"][4:] == 0).all()
        assert np.asarray(observations)[i, 0] > 0.99
    venv.close()


def roll(seed: int, keep_open: bool = False) -> list[Any]:
    worlds = control(keep_open=keep_open)
    steps: list[Any] = [worlds.reset(seed=seed)]
    for task in (0, 2, 0, 1):
        if worlds.set_context({"task": task}):
            steps.append(worlds.reset())
        steps.extend(worlds.step(np.array([k % 2, 1])) for k in range(25))
    worlds.close()
    return steps


def test_a_seed_decides_everything_and_copies_differ() -> None:
    steps = roll(3)
    assert data_equivalence(steps, roll(3))
    assert data_equivalence(steps, roll(3, keep_open=True))
    assert not data_equivalence(steps, roll(4))
    assert (steps[0][0][0] != steps[0][0][1]).any()
    # The same task begins anew the second time.
    beginnings = [step[0] for step in steps if len(step) == 2]
    assert (beginnings[0] != beginnings[2]).any()


def test_a_new_life_repeats_the_old_one_whatever_came_before() -> None:
    env = VectorNonStationary(control(), [Change("task", Values((1, 2)), At((30,)))])
    lives = []
    for _ in range(2):
        steps: list[Any] = [env.reset(seed=5)]
        steps.extend(env.step(np.array([0, 1])) for _ in range(25))
        lives.append(steps)
    env.close()
    assert data_equivalence(lives[0], lives[1])


def test_only_the_current_world_is_open() -> None:
    worlds = control()
    worlds.reset(seed=0)
    threads = len(os.listdir("/proc/self/task"))
    for i in range(40):
        worlds.set_context({"task": i % 3})
        worlds.reset()
        assert list(worlds._open) == [i % 3]
    assert len(os.listdir("/proc/self/task")) == threads
    worlds.close()
    kept = control(keep_open=True)
    for i in range(3):
        kept.set_context({"task": i})
        kept.reset()
    assert len(kept._open) == 3
    kept.close()
    assert len(os.listdir("/proc/self/task")) < threads
