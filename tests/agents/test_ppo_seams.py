"""Methods take part in every back end of PPO as they do in the reference."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.vec_env import DummyVecEnv
from torch import Tensor, nn

from everlearn.agents import PPO, ContinualBackprop, Method
from everlearn.agents.layers import Part
from everlearn.agents.plasticity.cautious import Cautious
from everlearn.agents.plasticity.core import CoRe
from everlearn.agents.plasticity.equal_betas_adam import EqualBetasAdam
from everlearn.agents.plasticity.infinite_schedule import InfiniteSchedule
from everlearn.agents.plasticity.lion import Lion
from everlearn.agents.plasticity.trac import TRAC
from everlearn.agents.plasticity.upgd import UPGD
from everlearn.wrappers import info as info_names


@dataclass(eq=False, repr=False)
class Pull(Method):
    """A penalty on one part, absent on the other."""

    name: ClassVar[str] = "pull"

    coefficient: float = 0.3

    def penalty(self, part: Part) -> Tensor | None:
        if part.name == "critic":
            return None
        return self.coefficient * torch.stack([p.square().sum() for p in part.parameters]).sum()


@dataclass(eq=False, repr=False)
class Shrink(Method):
    """Changes parameters and resets the optimizer's memory, from features and gradients."""

    name: ClassVar[str] = "shrink"
    needs_features: ClassVar[bool] = True
    needs_gradients: ClassVar[bool] = True

    def after_step(self, part: Part) -> None:
        for layer in part.hidden:
            assert layer.features is not None
            weight = layer.incoming.weight
            assert weight.grad is not None
            weight.mul_(1 - 1e-3 * layer.features.abs().mean(dim=0).unsqueeze(1))
            weight.sub_(1e-2 * weight.grad)
            part.reset_optimizer(weight, 0)


@dataclass(eq=False, repr=False)
class LayerNorm(Method):
    """Brings parameters of its own, of modules that are not linear."""

    name: ClassVar[str] = "a-layer-norm"

    def network(self, policy: nn.Module) -> None:
        body: Any = policy.mlp_extractor
        for name in ("policy_net", "value_net"):
            first, second, *rest = getattr(body, name)
            norm = nn.LayerNorm(first.out_features)
            nn.init.uniform_(norm.weight, generator=torch.Generator().manual_seed(1))
            setattr(body, name, nn.Sequential(first, norm, second, *rest))


@dataclass(eq=False, repr=False)
class Jolt(Method):
    """Changes the networks when it is told of a change."""

    name: ClassVar[str] = "jolt"

    def attach(self, parts: Any, seed: int) -> None:
        self.parts = parts
        self.n_told = 0

    def on_change(self, info: Mapping[str, Any]) -> None:
        self.n_told += 1
        with torch.no_grad():
            for part in self.parts:
                part.output[0].bias.add_(1)


class Changing(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Pendulum that tells its learner of a change at its 33rd step."""

    def __init__(self) -> None:
        super().__init__(gymnasium.make("Pendulum-v1"))
        self.clock = 0

    def step(self, action: Any) -> Any:
        *rest, info = super().step(action)
        self.clock += 1
        return *rest, info | ({info_names.BOUNDARY: True} if self.clock == 33 else {})


class Tags(KVWriter):
    def __init__(self) -> None:
        self.tags: set[str] = set()

    def write(self, key_values: dict[str, Any], key_excluded: Any, step: int = 0) -> None:
        self.tags |= set(key_values)

    def close(self) -> None:
        return None


ACTIVE: dict[str, Any] = {"maturity": 2, "replacement_rate": 0.05, "decay": 0.9}
METHODS: dict[str, list[Method]] = {
    "penalty": [Pull()],
    "after_step": [Shrink()],
    "network": [LayerNorm()],
    "continual backprop": [ContinualBackprop(**ACTIVE)],
    "another utility": [ContinualBackprop(**ACTIVE, utility="adaptable_contribution")],
    "as published": [ContinualBackprop.as_published(**ACTIVE)],
    "all": [LayerNorm(), Pull(), ContinualBackprop(**ACTIVE), Shrink()],
    "upgd": [UPGD()],
    "upgd, all": [UPGD(noise=0.1), Pull(), ContinualBackprop(**ACTIVE), Shrink()],
    "trac": [TRAC(initial_scale=0.3)],
    "lion": [Lion(weight_decay=0.1)],
    "cautious": [Cautious(), Pull()],
    "core": [CoRe()],
    "equal betas": [EqualBetasAdam(weight_decay=0.1, decoupled=True), Pull()],
    "schedule": [InfiniteSchedule(warmup_steps=400, cooldown_steps=0, constant=0.5)],
}
BETAS = {"net_arch": [8, 8], "optimizer_kwargs": {"betas": (0.99, 0.99)}}


@pytest.mark.parametrize("own", [{}, {"target_kl": 3e-3, "max_grad_norm": 0.05}])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", METHODS)
def test_methods_act_as_in_the_reference(
    name: str,
    dtype: torch.dtype,
    own: dict[str, Any],
    twins: Callable[..., Any],
    train_both: Callable[..., None],
) -> None:
    own = {"policy_kwargs": BETAS, **own}
    reference, fast = twins("eager", dtype, methods=METHODS[name], **own)
    train_both(reference, fast)
    assert fast.backend_in_use == "eager"
    one, other = (nn.ModuleList(agent.methods).state_dict() for agent in (reference, fast))
    assert one.keys() == other.keys()
    for key, value in one.items():
        torch.testing.assert_close(other[key], value, rtol=1e-4, atol=1e-6)
    for tag in ("train/penalty", "plasticity/actor/replaced_units"):
        if (wanted := reference.logger.name_to_value.get(tag)) is not None:
            assert fast.logger.name_to_value[tag] == pytest.approx(wanted, rel=1e-5), tag


def test_units_are_replaced_meanwhile(
    twins: Callable[..., Any], train_both: Callable[..., None]
) -> None:
    reference, fast = twins("eager", methods=METHODS["continual backprop"])
    before = fast.methods[0].after_iteration()["plasticity/actor/replaced_units"]
    train_both(reference, fast)
    after = fast.methods[0].after_iteration()["plasticity/actor/replaced_units"]
    assert after > before > 0


def test_values_are_those_of_the_networks_before_a_change(build: Callable[..., Any]) -> None:
    env = DummyVecEnv([Changing])
    agent = build(PPO, env, backend="eager", methods=[Jolt()], learning_rate=0.0)
    agent._setup_learn(64)
    start = nn.utils.parameters_to_vector(agent.policy.parameters()).detach()
    callback = CallbackList([])
    callback.init_callback(agent)
    agent.collect_rollouts(agent.env, callback, agent.rollout_buffer, 64)
    assert agent.methods[0].n_told == 1
    buffer = agent.rollout_buffer
    observations = torch.as_tensor(buffer.observations).flatten(end_dim=1)
    actions = torch.as_tensor(buffer.actions).flatten(end_dim=1)

    def judge() -> tuple[np.ndarray, np.ndarray]:
        with torch.no_grad():
            values, log_probs, _ = agent.policy.evaluate_actions(observations, actions)
        return values.flatten().numpy(), log_probs.numpy()

    later = judge()
    nn.utils.vector_to_parameters(start, agent.policy.parameters())
    earlier = judge()
    for stored, old, new in zip((buffer.values, buffer.log_probs), earlier, later, strict=True):
        np.testing.assert_allclose(stored[:33, 0], old[:33], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(stored[33:, 0], new[33:], rtol=1e-4, atol=1e-5)
        assert not np.allclose(old, new)


@pytest.mark.parametrize("loads", ["reference", "eager"])
@pytest.mark.parametrize("saves", ["reference", "eager"])
def test_methods_go_from_back_end_to_back_end(
    saves: str, loads: str, build: Callable[..., Any], same: Callable[..., bool]
) -> None:
    agent = build(PPO, backend=saves, methods=METHODS["continual backprop"]).learn(128)
    file = io.BytesIO()
    agent.save(file)
    loaded: Any = PPO.load(file, env=agent.get_env(), device="cpu", backend=loads)
    assert loaded.backend_in_use == loads
    assert same(agent.policy, loaded.policy)
    assert same(nn.ModuleList(agent.methods), nn.ModuleList(loaded.methods))
    loaded.learn(64, reset_num_timesteps=False)


def test_a_row_holds_the_same_tags_in_all_back_ends(build: Callable[..., Any]) -> None:
    tags = []
    for backend in ("reference", "eager"):
        agent, rows = build(PPO, backend=backend, methods=METHODS["all"]), Tags()
        agent.set_logger(Logger(None, [rows]))
        agent.learn(64)
        tags.append(rows.tags)
    assert tags[0] == tags[1]
