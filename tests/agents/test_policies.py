"""Networks that methods have changed, in every door they go through."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import stable_baselines3
import torch

from everlearn.agents import PPO, SAC
from everlearn.agents.policies import ChangedPolicy
from everlearn.agents.registry import make_method
from everlearn.wrappers.errors import SettingsError

NETWORKS = ["ash", "crelu", "deep-fourier", "elephant", "layer-norm", "nap", "weight-norm"]
PLAIN: dict[type, Any] = {PPO: stable_baselines3.PPO, SAC: stable_baselines3.SAC}


@pytest.mark.parametrize("kind", [PPO, SAC])
@pytest.mark.parametrize("name", NETWORKS)
def test_sb3_goes_on_with_the_changed_network(
    name: str, kind: Any, build: Callable[..., Any]
) -> None:
    agent, file = build(kind, methods=[make_method(name)]).learn(64), io.BytesIO()
    before = agent.policy_class
    agent.save(file)
    assert agent.policy_class is before
    plain = PLAIN[kind].load(file, device="cpu")
    assert isinstance(plain.policy_class, ChangedPolicy)
    observations = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    wanted, got = (each.predict(observations, deterministic=True)[0] for each in (agent, plain))
    np.testing.assert_array_equal(got, wanted)
    again = kind.load(file, device="cpu")
    assert again.policy_class is type(again.policy)
    np.testing.assert_array_equal(again.predict(observations, deterministic=True)[0], wanted)


@pytest.mark.parametrize("name", NETWORKS)
def test_targets_have_the_same_network_and_weights(name: str, build: Callable[..., Any]) -> None:
    agent = build(SAC, methods=[make_method(name)])
    assert repr(agent.critic_target) == repr(agent.critic)
    assert repr(agent.critic) != repr(build(SAC).critic)
    for one, other in zip(agent.critic.parameters(), agent.critic_target.parameters(), strict=True):
        assert torch.equal(one, other)
        assert one is not other
    trained = {id(p) for group in agent.critic.optimizer.param_groups for p in group["params"]}
    assert trained == {id(parameter) for parameter in agent.critic.parameters()}


@pytest.mark.parametrize(
    ("names", "own", "sentence"),
    [
        (["crelu", "elephant"], {}, "only one method can bring the activation, .* crelu, elephant"),
        (["nap", "layer-norm"], {}, "only one method can bring the normalization"),
        (["weight-norm", "crelu"], {}, "must come before weight-norm"),
        (["weight-norm", "nap"], {}, "weights are made of other parameters, as weight-norm does"),
        (["weight-norm", "spectral"], {}, "leave out one of the two"),
        (["weight-norm", "continual-backprop"], {}, "continual-backprop sets single weights"),
        (["crelu", "continual-backprop"], {}, "needs one output a unit, but CReLU"),
        (["crelu"], {"policy_kwargs": {"net_arch": [7]}}, "layers of 7 outputs can't be made of"),
    ],
)
def test_what_does_not_go_together_says_why(
    names: list[str], own: dict[str, Any], sentence: str, build: Callable[..., Any]
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        build(PPO, methods=[make_method(name) for name in names], **own)


def test_one_norm_is_enough(build: Callable[..., Any]) -> None:
    with pytest.raises(SettingsError, match="has a normalization before each activation already"):
        build(SAC, layer_norm="both", methods=[make_method("nap")])
