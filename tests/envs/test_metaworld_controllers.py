"""The demonstrators can do what they demonstrate."""

from __future__ import annotations

import numpy as np
import pytest

from everlearn.envs.envpool_worlds import EnvPoolWorlds
from everlearn.envs.metaworld_controllers import CONTROLLERS


def success(world: str, noise: float) -> float:
    """Return the share of 8 episodes that succeed at any step."""
    worlds = EnvPoolWorlds(world, 8, num_threads=1)
    observations = worlds.reset(seed=11)[0]
    generator = np.random.default_rng(0)
    succeeded = np.zeros(8, dtype=bool)
    for _ in range(200):
        actions = CONTROLLERS[world](observations)
        assert actions.shape == (8, 4)
        assert np.abs(actions).max() <= 1
        noisy = np.clip(actions + noise * generator.standard_normal(actions.shape), -1, 1)
        observations, _, _, _, info = worlds.step(noisy)
        succeeded |= info["success"]
        if succeeded.all():
            break
    worlds.close()
    return float(succeeded.mean())


@pytest.mark.parametrize("world", CONTROLLERS)
def test_it_does_its_task(world: str) -> None:
    assert success(world, noise=0.1) == 1


def test_it_answers_by_the_observation_alone() -> None:
    worlds = EnvPoolWorlds("MetaWorld/Push-v3", 2, num_threads=1)
    observations = worlds.reset(seed=0)[0]
    worlds.close()
    push = CONTROLLERS["MetaWorld/Push-v3"]
    np.testing.assert_array_equal(push(observations), push(observations.copy()))
    np.testing.assert_array_equal(push(observations)[1], push(observations[1:])[0])
