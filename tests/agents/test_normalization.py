from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import stable_baselines3
from stable_baselines3.common.evaluation import evaluate_policy

from everlearn.agents import PPO, SAC
from everlearn.envs import make_vec_env
from everlearn.wrappers.errors import SettingsError


def worlds(**own: Any) -> Any:
    return make_vec_env("everlearn/SlipperyAnt-v0", 2, seed=0, normalize=own or True)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("kind", [PPO, SAC])
def test_an_agent_brings_its_statistics(kind: Any) -> None:
    own: dict[str, Any] = {"buffer_size": 100}
    if kind is PPO:
        own = {"n_steps": 32, "batch_size": 32}
    own["policy_kwargs"] = {"net_arch": [8]}
    agent, file = kind("MlpPolicy", worlds(), device="cpu", seed=0, **own).learn(64), io.BytesIO()
    learned = agent.env.normalization.get_statistics()
    assert learned["count"][0] > 0
    agent.save(file)
    other = worlds()
    loaded: Any = kind.load(file, env=other, device="cpu")
    assert same(other.normalization.get_statistics(), learned)
    without = kind.load(file, device="cpu")
    assert same(without.normalization, learned)
    third = worlds()
    without.set_env(third)
    assert same(third.normalization.get_statistics(), learned)
    loaded.learn(32, reset_num_timesteps=False)
    # What was learned since is what goes to the next worlds.
    assert loaded.env.normalization.get_statistics()["count"][0] > learned["count"][0]
    fourth = worlds()
    later = other.normalization.get_statistics()
    loaded.set_env(fourth)
    assert same(fourth.normalization.get_statistics(), later)
    base = getattr(stable_baselines3, kind.__name__)
    base.load(file, device="cpu").predict(np.zeros(105, np.float32))


def test_frozen_for_evaluation() -> None:
    agent = PPO("MlpPolicy", worlds(), n_steps=32, batch_size=32, device="cpu", seed=0).learn(64)
    learned = agent.get_env().normalization.get_statistics()  # type: ignore[union-attr]
    test = worlds()
    test.normalization.freeze(learned)
    evaluate_policy(agent, test, n_eval_episodes=2)
    assert same(test.normalization.get_statistics(), learned)


def test_statistics_of_other_observations_are_refused() -> None:
    other = make_vec_env("everlearn/CartPoleForceSign-v0", 1, normalize=True)
    with pytest.raises(SettingsError, match="of 105 numbers in an observation, not of 4"):
        other.normalization.set_statistics(worlds().normalization.get_statistics())  # type: ignore[attr-defined]
