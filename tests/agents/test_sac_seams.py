from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium
import pytest
import stable_baselines3
import torch
from stable_baselines3.common.vec_env import DummyVecEnv
from torch import Tensor, nn

from everlearn.agents import SAC, ContinualBackprop, Method
from everlearn.agents.adam import Adam
from everlearn.agents.layers import Part
from everlearn.wrappers import info as info_names

BACKENDS = ["reference", "eager"]


@dataclass(eq=False, repr=False)
class Witness(Method):
    name: ClassVar[str] = "witness"
    needs_features: ClassVar[bool] = True

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        self.parts = parts
        self.seen: list[tuple[str, dict[str, Tensor]]] = []
        self.told: list[Any] = []

    def after_step(self, part: Part) -> None:
        features = {
            part.name: part.hidden[0].features.clone()
            for part in self.parts
            if part.hidden[0].features is not None
        }
        self.seen.append((part.name, features))

    def on_change(self, info: Mapping[str, Any]) -> None:
        self.told.append(info["at"])


@pytest.mark.parametrize("backend", BACKENDS)
def test_features_are_those_of_each_networks_own_loss(
    backend: str, build: Callable[..., Any]
) -> None:
    agent = build(SAC, methods=[Witness()], backend=backend)
    batches: list[Any] = []
    sample = agent.replay_buffer.sample
    weights: list[tuple[Tensor, Tensor]] = []

    def keep(*args: Any, **kwargs: Any) -> Any:
        batches.append(sample(*args, **kwargs))
        first = agent.critic.q_networks[1][0]
        weights.append((first.weight.detach().clone(), first.bias.detach().clone()))
        return batches[-1]

    agent.replay_buffer.sample = keep
    agent.learn(40)
    agent.replay_buffer.sample = sample
    seen = agent.methods[0].seen
    assert [name for name, _ in seen] == ["critic_0", "critic_1", "actor"] * len(batches)
    for index, (batch, (weight, bias)) in enumerate(zip(batches, weights, strict=True)):
        inputs = torch.cat([batch.observations, batch.actions], dim=1)
        wanted = torch.relu(inputs @ weight.T + bias)
        # The critic's features stay also where the actor's loss has gone through it.
        for _, features in seen[3 * index + 1 : 3 * index + 3]:
            torch.testing.assert_close(features["critic_1"], wanted)
        assert len(seen[3 * index + 2][1]["actor"]) == len(inputs)
    actor = agent.actor.latent_pi[0]
    last = seen[-1][1]["actor"]
    moved = torch.relu(batches[-1].observations @ actor.weight.T + actor.bias)
    torch.testing.assert_close(last, moved, rtol=0, atol=0.02)


def test_the_critics_gradients_are_those_of_their_own_loss(build: Callable[..., Any]) -> None:
    agent = build(SAC, backend="reference")
    own: list[Tensor] = []

    def keep(optimizer: Any, args: Any, kwargs: Any) -> None:
        own[:] = [parameter.grad.clone() for parameter in agent.critic.parameters()]

    agent.critic.optimizer.register_step_pre_hook(keep)
    agent.learn(60)
    gradients = [parameter.grad for parameter in agent.critic.parameters()]
    assert all(torch.equal(one, other) for one, other in zip(gradients, own, strict=True))
    assert all(parameter.requires_grad for parameter in agent.critic.parameters())
    assert all(parameter.grad is not None for parameter in agent.actor.parameters())


@pytest.mark.parametrize("shared", [False, True])
def test_each_parameter_is_in_exactly_one_part_and_optimizer(
    shared: bool, build: Callable[..., Any]
) -> None:
    class Extractor(stable_baselines3.common.torch_layers.BaseFeaturesExtractor):
        def __init__(self, space: gymnasium.Space[Any]) -> None:
            super().__init__(space, 5)
            self.map = nn.Linear(3, 5)

        def forward(self, observations: Tensor) -> Tensor:
            return self.map(observations)

    kwargs = {
        "net_arch": [8],
        "n_critics": 3,
        "features_extractor_class": Extractor,
        "share_features_extractor": shared,
    }
    agent = build(SAC, policy_kwargs=kwargs, methods=[ContinualBackprop()])
    assert [part.name for part in agent.parts] == ["actor", "critic_0", "critic_1", "critic_2"]
    owned = [id(parameter) for part in agent.parts for parameter in part.parameters]
    trained = {id(p) for network in (agent.actor, agent.critic) for p in network.parameters()}
    assert sorted(owned) == sorted(trained)
    for part in agent.parts:
        group = {id(p) for group in part.optimizer.param_groups for p in group["params"]}
        assert {id(p) for p in part.parameters} <= group
    assert agent.parts[1].optimizer is agent.parts[2].optimizer is agent.critic.optimizer
    assert type(agent.actor.optimizer) is type(agent.critic.optimizer) is Adam
    assert len(agent.parts[0].output) == 2
    agent.learn(60)


class Renewed(Method):
    name: ClassVar[str] = "renewed"

    def network(self, policy: nn.Module) -> None:
        for critic in (policy.critic, policy.critic_target):
            for network in critic.q_networks:  # type: ignore[union-attr]
                nn.init.normal_(network[0].weight)


def test_targets_begin_as_their_critics(build: Callable[..., Any]) -> None:
    agent = build(SAC, methods=[Renewed()])
    for one, other in zip(agent.critic.parameters(), agent.critic_target.parameters(), strict=True):
        assert torch.equal(one, other)


class Changing(gymnasium.Wrapper[Any, Any, Any, Any]):
    clock = 0

    def step(self, action: Any) -> Any:
        *rest, info = super().step(action)
        self.clock += 1
        if self.clock in (5, 33):
            info |= {info_names.BOUNDARY: True, "at": self.clock}
        return *rest, info


def test_changes_are_told(build: Callable[..., Any]) -> None:
    env = DummyVecEnv([lambda: Changing(gymnasium.make("Pendulum-v1"))] * 2)
    assert build(SAC, env, methods=[Witness()]).learn(80).methods[0].told == [5, 33]
