import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_env_for_sb3

from everlearn.envs.catalogue import CATALOGUE

pytestmark = pytest.mark.filterwarnings(
    # The checkers remark on gymnasium's own Ant (unbounded observations) and on any wrapper, and
    # it is the wrapper that is to be checked here.
    "ignore:.*is different from the unwrapped version",
    "ignore:.*A Box observation space (minimum|maximum) value is",
    "ignore:.*For Box action spaces, we recommend",
)


@pytest.mark.parametrize("name", CATALOGUE)
def test_gymnasium_accepts_it(name: str) -> None:
    check_env(gymnasium.make(name), skip_render_check=True)


@pytest.mark.parametrize("name", CATALOGUE)
def test_sb3_accepts_it(name: str) -> None:
    check_env_for_sb3(gymnasium.make(name), skip_render_check=True)


@pytest.mark.parametrize("name", CATALOGUE)
def test_its_spec_makes_it_again(name: str) -> None:
    env = gymnasium.make(name)
    assert env.spec is not None
    again = gymnasium.make(gymnasium.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    first, _ = env.reset(seed=0)
    second, _ = again.reset(seed=0)
    np.testing.assert_array_equal(first, second)


def test_the_prefixed_id_needs_no_import_of_ours() -> None:
    code = """
import gymnasium as g
e = g.make('everlearn.envs:everlearn/SlipperyAnt-v0', change_every=500)
_, info = e.reset(seed=0)
e.action_space.seed(0)
frictions = [info['context']['friction']]
ends = []
for step in range(1, 701):
    _, _, terminated, truncated, info = e.step(e.action_space.sample())
    frictions.append(info['context']['friction'])
    if terminated or truncated:
        ends.append(step)
        e.reset()
changes = [k for k in range(1, 701) if frictions[k] != frictions[k - 1]]
assert changes == [500], changes
assert 500 not in ends, ends
"""
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


def test_wrong_settings_are_refused_by_make() -> None:
    with pytest.raises(ValueError, match="did you mean 'change_every'"):
        gymnasium.make("everlearn/SlipperyAnt-v0", change_evry=5)
