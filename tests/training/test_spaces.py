from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from everlearn.training.spaces import require_spaces
from everlearn.wrappers.errors import SettingsError

VECTOR = spaces.Box(-1, 1, (3,))


class World:
    def __init__(self, observation: spaces.Space, action: spaces.Space) -> None:
        self.observation_space = observation
        self.action_space = action


def check(observation: spaces.Space, action: spaces.Space) -> None:
    require_spaces(cast(VecEnv, World(observation, action)), "ppo", "a-world")


@pytest.mark.parametrize("action", [VECTOR, spaces.Discrete(3), spaces.MultiBinary(2)])
def test_spaces_that_ppo_can_use(action: spaces.Space[Any]) -> None:
    check(VECTOR, action)


@pytest.mark.parametrize(
    ("observation", "action", "sentence"),
    [
        (spaces.Dict(a=VECTOR), VECTOR, "observation space Dict of 'a-world': it can use Box"),
        (spaces.Tuple([VECTOR]), VECTOR, "observation space Tuple"),
        (VECTOR, spaces.Dict(a=VECTOR), "action space Dict"),
        (VECTOR, spaces.Box(-np.inf, np.inf, (3,)), "action space of 'a-world': it has no bounds"),
    ],
)
def test_spaces_that_it_cannot(
    observation: spaces.Space, action: spaces.Space, sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        check(observation, action)
