from __future__ import annotations

import numpy as np
import pytest

from everlearn.training.benchmark.layer import NullWorlds, layers


@pytest.mark.parametrize("name", layers(4, 100))
def test_layers_step_and_see_episodes_end(name: str) -> None:
    env = layers(4, 100)[name]()
    env.reset()
    ends = 0
    for _ in range(1000):
        outcome = env.step(np.zeros((4, 6), np.float32))
        dones = outcome[2] if len(outcome) == 4 else outcome[2] | outcome[3]
        ends += int(dones.sum())
    assert ends == 4
    env.close()


def test_null_worlds_say_what_half_cheetah_says() -> None:
    worlds = NullWorlds(2)
    observations, info = worlds.reset(seed=0)
    assert worlds.observation_space.contains(observations)
    assert set(info) == {f"{_}{name}" for name in worlds._told for _ in ("", "_")}
    for _ in range(500):
        *_, truncated, info = worlds.step(worlds.action_space.sample())
    assert truncated.tolist() == [False, True]
    assert info["final_obs"][1].shape == (17,)
