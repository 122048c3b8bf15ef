import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

import everlearn.envs  # noqa: F401 - registers the knobs
from everlearn.wrappers.change import Change
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.non_stationary import NonStationary
from everlearn.wrappers.schedules import At
from everlearn.wrappers.values import Values
from everlearn.wrappers.vector_non_stationary import VectorNonStationary

SLIDE = Change("friction", Values((0.4, 0.05)), At((60,)))


def worlds(n_envs: int) -> VectorEnv:
    return SyncVectorEnv(
        [lambda: gymnasium.make("HalfCheetah-v5", max_episode_steps=25)] * n_envs,
        autoreset_mode=AutoresetMode.SAME_STEP,
    )


def test_one_copy_lives_as_the_scalar_wrapper_does() -> None:
    vector = VectorNonStationary(worlds(1), [SLIDE])
    scalar = NonStationary(gymnasium.make("HalfCheetah-v5", max_episode_steps=25), [SLIDE])
    observations, _ = vector.reset(seed=0)
    observation, _ = scalar.reset(seed=0)
    for action in np.random.default_rng(0).uniform(-1, 1, size=(80, 6)):
        np.testing.assert_array_equal(observations[0], observation)
        observations, rewards, _, truncations, infos = vector.step(action[None])
        observation, reward, _, truncated, info = scalar.step(action)
        assert (rewards[0], truncations[0]) == (reward, truncated)
        assert infos["context"]["friction"][0] == info["context"]["friction"]
        assert infos["steps_since_change"][0] == info["steps_since_change"]
        if truncated:
            np.testing.assert_array_equal(infos["final_obs"][0], observation)
            observation, _ = scalar.reset()


@pytest.mark.parametrize(("n_envs", "landing"), [(2, 60), (7, 63), (8, 64)])
def test_the_clock_counts_every_copy(n_envs: int, landing: int) -> None:
    env = VectorNonStationary(worlds(n_envs), [SLIDE])
    _, info = env.reset(seed=0)
    clock = 0
    while not info["changed"].any():
        _, _, _, _, info = env.step(env.action_space.sample())
        clock += n_envs
    assert clock == env.clock == landing
    assert info["changed"].all()
    _, _, _, _, info = env.step(env.action_space.sample())
    assert not info["changed"].any()
    for single in env.unwrapped.envs:  # type: ignore[attr-defined]
        assert (single.unwrapped.model.geom_friction[:, 0] == 0.05).all()


def test_next_step_autoreset_is_refused() -> None:
    env = SyncVectorEnv([lambda: gymnasium.make("HalfCheetah-v5")])
    with pytest.raises(SettingsError, match="same-step autoreset"):
        VectorNonStationary(env, [SLIDE])


def test_worlds_out_of_reach_are_refused() -> None:
    env = gymnasium.make_vec("CartPole-v1", 2, vectorization_mode="vector_entry_point")
    env.metadata["autoreset_mode"] = AutoresetMode.SAME_STEP
    with pytest.raises(SettingsError, match="cannot change the worlds inside"):
        VectorNonStationary(env, [SLIDE])


@pytest.mark.parametrize("landing", ["in-place", "next-reset", "boundary"])
def test_a_change_lands_where_it_is_asked_to(landing: str) -> None:
    change = Change("friction", Values((0.4, 0.05)), At((60,)), landing=landing)  # type: ignore[arg-type]
    env = VectorNonStationary(worlds(2), [change])
    env.reset(seed=0)
    seen = []
    for _ in range(60):
        _, _, _, truncated, info = env.step(env.action_space.sample())
        frictions = [
            single.unwrapped.model.geom_friction[0, 0]
            for single in env.unwrapped.envs  # type: ignore[attr-defined]
        ]
        assert info["context"]["friction"].tolist() == frictions
        seen.append((frictions[0], bool(truncated[0])))
    first = [friction for friction, _ in seen].index(0.05)
    # Episodes last 25 steps of each of two copies; the change is due at each copy's 30th.
    assert first + 1 == {"in-place": 30, "next-reset": 50, "boundary": 30}[landing]
    ends = [step + 1 for step, (_, truncated) in enumerate(seen) if truncated]
    assert ends == {"boundary": [25, 30, 55]}.get(landing, [25, 50])


def test_rebuilt_worlds_refuse_what_they_cannot_do() -> None:
    from everlearn.envs.envpool_worlds import EnvPoolWorlds

    for settings, sentence in (
        ({"landing": "in-place"}, "cannot land 'in-place' here"),
        ({"landing": "next-reset"}, "cannot land 'next-reset' here"),
        ({"scope": "independent"}, "the global clock and a shared scope"),
        ({"clock": "episode"}, "the global clock and a shared scope"),
    ):
        change = Change("friction", Values((1.0, 0.5)), At((60,)), **settings)  # type: ignore[arg-type]
        with pytest.raises(SettingsError, match=sentence):
            VectorNonStationary(EnvPoolWorlds("Ant-v5", 2, ["friction"]), [change])


def test_a_cut_copy_is_told_as_an_ended_one() -> None:
    change = Change("friction", Values((0.4, 0.05)), At((60,)), landing="boundary")
    env = VectorNonStationary(worlds(2), [change])
    env.reset(seed=0)
    for _ in range(30):
        observations, _, _, truncated, info = env.step(env.action_space.sample())
    assert truncated.all()
    assert info["_final_obs"].all()
    assert info["_final_info"].all()
    assert (info["final_info"]["x_position"] != 0).all()
    for copy in range(2):
        assert (info["final_obs"][copy] != observations[copy]).any()
