from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.env_util import make_vec_env

from everlearn.agents import SAC
from everlearn.agents.replay import CausalityAwareEntropy
from everlearn.agents.sac.entropy import WeighedGaussian
from everlearn.training.probe_replay_runs import LIVE, LiveAndDummies
from everlearn.wrappers.errors import SettingsError


def agent_of(**own: Any) -> Any:
    settings: dict[str, Any] = {
        "learning_starts": 50,
        "batch_size": 16,
        "buffer_size": 500,
        "policy_kwargs": {"net_arch": [8]},
        "backend": "eager",
        "device": "cpu",
        "seed": 0,
    }
    env = own.pop("env", None) or make_vec_env(LiveAndDummies, 1, seed=0)
    return SAC("MlpPolicy", env, **{**settings, **own})


def entropy(**own: Any) -> CausalityAwareEntropy:
    return CausalityAwareEntropy(estimator="least-squares", **own)


@pytest.mark.parametrize("backend", ["reference", "eager"])
def test_estimates_that_change_nothing_leave_training_bit_identical(
    backend: str, same: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = agent_of(backend=backend).learn(150)
    silent = agent_of(backend=backend, methods=[entropy(influence="off")]).learn(150)
    looked: list[Any] = []

    def look(transitions: Any, estimator: str) -> Any:
        looked.append(transitions)
        return np.zeros(4)

    path = "everlearn.agents.replay.causality_aware_entropy.reward_effects"
    monkeypatch.setattr(path, look)
    ones = agent_of(backend=backend, methods=[entropy(every_steps=20, samples=40)]).learn(150)
    assert len(looked) == 6
    # Methods bring another Adam; off, it is plain SAC within rounding, and weights of 1 are off.
    assert same(silent.policy, ones.policy)
    for one, other in zip(plain.policy.parameters(), ones.policy.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_weights_are_of_the_newest_transitions_and_reach_the_update() -> None:
    agent = agent_of(methods=[entropy(every_steps=100, samples=60)])
    agent.learn(99)
    weights = agent.methods[0].get_buffer("weights")
    assert weights.tolist() == [1, 1, 1, 1]
    assert agent._learner._weights is weights
    agent.learn(41, reset_num_timesteps=False)
    assert weights.sum().item() == pytest.approx(4)
    assert weights.std() > 0
    assert agent._present_options().entropy_weights == tuple(weights.tolist())
    logged = agent.methods[0].after_iteration()
    assert logged["replay/entropy_weight/2"] == weights[2].item()


def test_it_waits_until_there_are_enough_transitions() -> None:
    agent = agent_of(methods=[entropy(every_steps=10, samples=100)]).learn(95)
    assert agent.methods[0].get_buffer("weights").std() == 0
    # A full buffer is as much as there will ever be.
    agent = agent_of(methods=[entropy(every_steps=10, samples=100)], buffer_size=60).learn(75)
    assert agent.methods[0].get_buffer("weights").std() > 0


@pytest.mark.parametrize("backend", ["reference", "eager"])
def test_weights_brought_by_a_method_are_those_given_to_sac(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = (2.5, 0.5, 0.5, 0.5)
    path = "everlearn.agents.replay.causality_aware_entropy"
    monkeypatch.setattr(f"{path}.weights_of", lambda effects, influence: np.array(given))
    # An estimate at the step with which learning begins.
    method = entropy(every_steps=51, samples=40)
    brought = agent_of(backend=backend, methods=[method]).learn(80)
    wanted = agent_of(entropy_weights=given).learn(80)
    for one, other in zip(wanted.policy.parameters(), brought.policy.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_a_weighed_gaussian_weighs_each_dimension() -> None:
    means, log_stds = torch.randn(5, 3), torch.randn(5, 3)
    each = []
    for index in range(3):
        single = WeighedGaussian(torch.eye(3)[index])
        single.proba_distribution(means, log_stds)
        each.append(single.log_prob(torch.full((5, 3), 0.3)))
    whole = WeighedGaussian(torch.tensor([3.0, 0.0, 0.5])).proba_distribution(means, log_stds)
    wanted = 3 * each[0] + 0.5 * each[2]
    torch.testing.assert_close(whole.log_prob(torch.full((5, 3), 0.3)), wanted)


def test_only_one_can_weigh_dimensions() -> None:
    with pytest.raises(SettingsError, match="only one can weigh action dimensions"):
        agent_of(methods=[entropy()], entropy_weights=(1, 1, 1, 1))


@pytest.mark.parametrize("influence", ["signed", "absolute"])
def test_the_live_dimension_gets_the_largest_weight_from_random_actions(influence: Any) -> None:
    for seed in range(3):
        method = entropy(every_steps=400, samples=400, influence=influence)
        env = make_vec_env(partial(LiveAndDummies, "spin"), 1, seed=seed)
        agent = agent_of(methods=[method], seed=seed, env=env, learning_starts=400)
        weights = agent.learn(400).methods[0].get_buffer("weights")
        # A torque of 2 for 0.05 s at an inertia of 1/3: softmax(0, 0.3, 0, 0) times 4.
        assert weights.tolist() == pytest.approx([0.92, 1.24, 0.92, 0.92], abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_live_dimension_gets_the_largest_weight_within_10_000_steps(seed: int) -> None:
    settings = {"learning_starts": 1000, "batch_size": 64, "buffer_size": 10_000}
    env = make_vec_env(partial(LiveAndDummies, "spin"), 1, seed=seed)
    kwargs = {"net_arch": [64, 64]}
    agent = agent_of(
        methods=[entropy()], seed=seed, env=env, policy_kwargs=kwargs, diagnostics=False, **settings
    )
    weights = agent.learn(10_000).methods[0].get_buffer("weights")
    assert weights.argmax() == LIVE
    assert weights[LIVE] > 1
