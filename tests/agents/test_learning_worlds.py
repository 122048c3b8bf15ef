from __future__ import annotations

from typing import Any

import pytest
from stable_baselines3.common.vec_env import VecNormalize

from everlearn.agents.learning_worlds import hand_over_learned, learning_worlds, read_learned
from everlearn.agents.secbad import ContextInference, InferContext
from everlearn.envs import make_vec_env
from everlearn.wrappers.errors import SettingsError


def worlds() -> Any:
    inner = make_vec_env("everlearn/CartPoleForceSign-v0", n_envs=1, seed=0)
    return InferContext(inner, ContextInference(kind="history"), seed=0)


def test_wrappers_that_learn_are_found_among_others() -> None:
    env = worlds()
    assert learning_worlds(None) == learning_worlds(env.venv) == []
    assert learning_worlds(VecNormalize(env)) == [env]


def test_what_was_learned_goes_from_worlds_to_worlds() -> None:
    env, other = worlds(), worlds()
    env.reset()
    env.step([0])
    assert env.networks.observed.count == 1
    hand_over_learned(read_learned(env), other)
    assert other.networks.observed.count == 1
    hand_over_learned(read_learned(env), other.venv)
    with pytest.raises(SettingsError, match="learned with 2 wrappers that learn, not 1"):
        hand_over_learned(read_learned(env) * 2, other)
