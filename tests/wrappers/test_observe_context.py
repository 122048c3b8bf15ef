from typing import Any

import gymnasium
import numpy as np
import pytest

from everlearn.envs import make_env, make_stream, make_vector_env
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.observe_context import ObserveContext

ANT = "everlearn/SlipperyAnt-v0:change_every=6"


@pytest.mark.parametrize("observed", ["flag", "context"])
def test_scalar_and_vector_see_the_same(observed: str) -> None:
    one = make_env(ANT, observed=observed)
    many = make_vector_env(ANT, 1, observed=observed)
    observation, info = one.reset(seed=0)
    observations, _ = many.reset(seed=0)
    told = []
    for action in np.random.default_rng(0).uniform(-1, 1, size=(40, 8)):
        np.testing.assert_array_equal(observations[0], observation)
        assert one.observation_space.contains(observation)
        truth = info["changed"] if observed == "flag" else info["context"]["friction"]
        assert observation[-1] == truth
        told.append(observation[-1])
        observation, _, terminated, truncated, info = one.step(action)
        observations, _, _, _, infos = many.step(action[None])
        if terminated or truncated:
            np.testing.assert_array_equal(infos["final_obs"][0], observation)
            observation, info = one.reset()
    assert len(set(told)) == (2 if observed == "flag" else 7)


def test_a_task_is_one_entry_each() -> None:
    env = make_vector_env("everlearn/MiniGridSequence-v0:steps_per_task=4", 2, observed="task")
    observations, _ = env.reset(seed=0)
    seen = []
    for _ in range(9):
        seen.append(observations[:, -4:].argmax(axis=1).tolist())
        assert (observations[:, -4:].sum(axis=1) == 1).all()
        observations, _, _, _, _ = env.step(env.action_space.sample())
    assert seen == [[i // 2 % 4] * 2 for i in range(9)]
    env.close()


@pytest.mark.parametrize(
    ("world", "arguments", "sentence"),
    [
        ("CartPole-v1", {"observed": "flagg"}, "did you mean 'flag'"),
        ("CartPole-v1", {"observed": "task"}, "no task to be observed"),
        ("FrozenLake-v1", {"observed": "flag"}, "flat observations"),
    ],
)
def test_what_makes_no_sense_is_refused(
    world: str, arguments: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        ObserveContext(gymnasium.make(world), **arguments)


def test_an_observed_stream_makes_itself_again() -> None:
    env = gymnasium.make("everlearn/SlipperyAnt-v0", observed="context")
    assert env.spec is not None
    again = gymnasium.make(gymnasium.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    np.testing.assert_array_equal(env.reset(seed=1)[0], again.reset(seed=1)[0])
    assert make_stream(ANT, observed="flag").hash() != make_stream(ANT).hash()
