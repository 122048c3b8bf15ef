"""The scalar twin: one copy of a vectorised world as a plain environment."""

from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env, data_equivalence
from stable_baselines3.common.env_checker import check_env as check_env_of_sb3

from everlearn.envs.autoreset import SameStepAutoreset
from everlearn.envs.envpool_worlds import EnvPoolWorlds
from everlearn.envs.single_copy import SingleCopy
from everlearn.envs.task_worlds import TaskWorlds
from everlearn.wrappers.change import Change
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.non_stationary import NonStationary
from everlearn.wrappers.schedules import Periodic
from everlearn.wrappers.values import Values

CONTROL = ("CartPole-v1", "Acrobot-v1", "LunarLander-v3")


def control() -> SingleCopy:
    factories = [partial(EnvPoolWorlds, world, 1) for world in CONTROL]
    return SingleCopy(TaskWorlds(factories, CONTROL))


# The observations have no bounds.
@pytest.mark.filterwarnings("ignore:.*A Box observation space m")
def test_it_is_an_environment_by_gymnasiums_and_sb3s_checks() -> None:
    check_env(control(), skip_render_check=True)
    check_env_of_sb3(control(), warn=False)


def test_it_steps_as_the_vectorised_world_does() -> None:
    single, worlds = SingleCopy(EnvPoolWorlds("CartPole-v1", 1)), EnvPoolWorlds("CartPole-v1", 1)
    observation, info = single.reset(seed=4)
    observations, infos = worlds.reset(seed=4)
    ends = 0
    for _ in range(60):
        np.testing.assert_array_equal(observation, observations[0])
        observation, reward, terminated, truncated, info = single.step(1)
        observations, rewards, *_, infos = worlds.step(np.array([1]))
        assert reward == rewards[0]
        if terminated or truncated:
            ends += 1
            np.testing.assert_array_equal(observation, infos["final_obs"][0])
            assert info == {"elapsed_step": infos["final_info"]["elapsed_step"][0]}
            with pytest.raises(ResetNeeded):
                single.step(1)
            observation, info = single.reset()
            assert info == {"elapsed_step": 0}
    assert ends > 3
    single.close()
    worlds.close()


def test_an_episodes_summary_comes_with_its_last_step_only() -> None:
    env = SingleCopy(EnvPoolWorlds("MetaWorld/Push-v3", 1, max_episode_steps=3))
    _, info = env.reset(seed=0)
    for step in range(1, 7):
        assert "success_any" not in info
        _, _, _, truncated, info = env.step(np.zeros(4))
        assert truncated == (step % 3 == 0) == ("success_any" in info) == ("success_final" in info)
        if truncated:
            _, info = env.reset()
    env.close()


def test_a_task_sequence_of_one_copy() -> None:
    env = NonStationary(control(), [Change("task", Values((0, 1, 2)), Periodic(20))])
    tasks = []
    _, info = env.reset(seed=0)
    for clock in range(1, 121):
        tasks.append(info["task_name"])
        assert info["context"]["task"] == CONTROL.index(info["task_name"])
        observation, _, terminated, truncated, info = env.step(clock % 2)
        assert observation in env.observation_space
        assert terminated or truncated or clock % 20
        if terminated or truncated:
            _, info = env.reset()
    assert tasks == [CONTROL[clock // 20 % 3] for clock in range(120)]
    env.close()


def test_a_seed_decides_everything() -> None:
    def roll(seed: int) -> list[Any]:
        env = NonStationary(control(), [Change("task", Values((0, 2)), Periodic(15))])
        steps: list[Any] = [env.reset(seed=seed)]
        for _ in range(60):
            steps.append(env.step(1))
            if steps[-1][2] or steps[-1][3]:
                steps.append(env.reset())
        env.close()
        return steps

    assert data_equivalence(roll(1), roll(1))
    assert not data_equivalence(roll(1), roll(2))


def test_several_copies_and_worlds_that_cannot_change_are_refused() -> None:
    with pytest.raises(SettingsError, match="takes one copy, not 2"):
        SingleCopy(EnvPoolWorlds("CartPole-v1", 2))
    with pytest.raises(SettingsError, match="same-step"):
        SingleCopy(gymnasium.make_vec("CartPole-v1", 1))
    single = SingleCopy(SameStepAutoreset(gymnasium.make_vec("CartPole-v1", 1)))
    with pytest.raises(SettingsError, match="cannot change the worlds inside a CartPoleVectorEnv"):
        single.set_context({"gravity": 1.0})
    single.close()
