from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
import stable_baselines3
import torch
from stable_baselines3.common.callbacks import CheckpointCallback, EvalCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from torch import Tensor, nn

from everlearn.agents import PPO, ContinualBackprop, Method
from everlearn.agents.adam import Adam
from everlearn.agents.layers import Part
from everlearn.wrappers import info as info_names
from everlearn.wrappers.errors import SettingsError


@dataclass(eq=False, repr=False)
class SquaredWeights(Method):
    name: ClassVar[str] = "squared-weights"

    coefficient: float = 0.5

    def penalty(self, part: Part) -> Tensor:
        return self.coefficient * torch.stack([p.square().sum() for p in part.parameters]).sum()


@dataclass(eq=False, repr=False)
class ExtraHead(Method):
    name: ClassVar[str] = "extra-head"

    def network(self, policy: nn.Module) -> None:
        policy.extra = nn.Linear(2, 3)

    def penalty(self, part: Part) -> Tensor | None:
        return part.parameters[-1].sum() if part.name == "critic" else None


@dataclass(eq=False, repr=False)
class Descent(Method):
    name: ClassVar[str] = "descent"

    momentum: float = 0.0

    def optimizer(
        self, parameters: Iterable[nn.Parameter], learning_rate: float, settings: Mapping[str, Any]
    ) -> torch.optim.Optimizer:
        assert settings == {"eps": 1e-5}
        return torch.optim.SGD(parameters, lr=learning_rate, momentum=self.momentum)


@dataclass(eq=False, repr=False)
class Witness(Method):
    name: ClassVar[str] = "witness"

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        self.seed = seed
        self.register_buffer("told", torch.zeros((), dtype=torch.int64))
        self.contexts: list[Any] = []

    def on_change(self, info: Mapping[str, Any]) -> None:
        self.get_buffer("told").add_(1)
        self.contexts.append(info["at"])

    def after_iteration(self) -> dict[str, float]:
        return {"witness/told": float(self.get_buffer("told"))}


@dataclass(eq=False, repr=False)
class Bystander(Witness):
    name: ClassVar[str] = "bystander"


@dataclass(eq=False, repr=False)
class Slide(Descent):
    name: ClassVar[str] = "slide"


class Rows(KVWriter):
    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def write(self, key_values: dict[str, Any], key_excluded: Any, step: int = 0) -> None:
        self.rows.append({**key_values, "step": step})

    def close(self) -> None:
        return None


class Changing(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Pendulum that tells its learner of a change at some of its own steps."""

    def __init__(self, steps: Sequence[int], at_resets: Sequence[int] = ()) -> None:
        super().__init__(gymnasium.make("Pendulum-v1", max_episode_steps=20))
        self.steps, self.at_resets = steps, at_resets
        self.clock, self.episode = 0, -1

    def step(self, action: Any) -> Any:
        *rest, info = super().step(action)
        self.clock += 1
        if self.clock in self.steps:
            info |= {info_names.BOUNDARY: True, "at": self.clock}
        return *rest, info

    def reset(self, **kwargs: Any) -> Any:
        observation, info = super().reset(**kwargs)
        self.episode += 1
        if self.episode in self.at_resets:
            info |= {info_names.BOUNDARY: True, "at": f"reset {self.episode}"}
        return observation, info


def watch_gradients(agent: Any) -> list[list[Tensor | None]]:
    seen: list[list[Tensor | None]] = []

    def keep(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        seen.append([None if p.grad is None else p.grad.clone() for p in agent.policy.parameters()])

    agent.policy.optimizer.register_step_pre_hook(keep)
    return seen


@pytest.mark.parametrize("max_grad_norm", [1e9, 0.1])
def test_penalty_equals_a_term_in_the_loss(build: Callable[..., Any], max_grad_norm: float) -> None:
    settings: dict[str, Any] = {"n_epochs": 1, "batch_size": 64, "vf_coef": 1e-3}
    coefficient = 0.5
    plain = build(**settings, max_grad_norm=1e9)
    start = [parameter.detach().clone() for parameter in plain.policy.parameters()]
    alone = watch_gradients(plain)
    plain.learn(64)
    method = SquaredWeights(coefficient)
    settings |= {"max_grad_norm": max_grad_norm, "backend": "reference"}
    ours = build(PPO, **settings, methods=[method])
    together = watch_gradients(ours)
    ours.learn(64)
    assert len(alone) == len(together) == 1
    wanted = [
        gradient + 2 * coefficient * parameter
        for gradient, parameter in zip(alone[0], start, strict=True)
        if gradient is not None
    ]
    norm = torch.stack([gradient.square().sum() for gradient in wanted]).sum().sqrt()
    scale = min(1.0, max_grad_norm / (norm.item() + 1e-6))
    assert (scale < 0.5) is (max_grad_norm < 1)
    for gradient, other in zip(wanted, together[0], strict=True):
        assert other is not None
        torch.testing.assert_close(scale * gradient, other, rtol=1e-5, atol=1e-7)


def test_penalty_is_logged(build: Callable[..., Any]) -> None:
    agent, rows = build(PPO, n_epochs=1, batch_size=64, methods=[SquaredWeights()]), Rows()
    wanted = 0.5 * sum(p.square().sum().item() for p in agent.policy.parameters())
    agent.set_logger(Logger(None, [rows]))
    agent.learn(64)
    assert rows.rows[0]["train/penalty"] == pytest.approx(wanted, rel=1e-5)


def test_new_parameters_reach_the_optimizer(build: Callable[..., Any]) -> None:
    agent = build(PPO, methods=[ExtraHead()])
    extra = agent.policy.extra
    grouped = [id(p) for group in agent.policy.optimizer.param_groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in agent.policy.parameters())
    assert {id(p) for p in extra.parameters()} <= set(grouped)
    assert type(agent.policy.optimizer) is Adam
    before = extra.bias.detach().clone()
    agent.learn(64)
    assert (extra.bias < before).all()
    file = io.BytesIO()
    agent.save(file)
    loaded: Any = PPO.load(file, device="cpu")
    assert torch.equal(loaded.policy.extra.bias, extra.bias)


def test_each_parameter_is_in_exactly_one_part(build: Callable[..., Any]) -> None:
    for settings in ({}, {"policy_kwargs": {"share_features_extractor": False}}):
        agent = build(PPO, methods=[ExtraHead()], **settings)
        owned = [id(p) for part in agent.parts for p in part.parameters]
        assert sorted(owned) == sorted(id(p) for p in agent.policy.parameters())
        actor, critic = agent.parts
        assert any(p is agent.policy.log_std for p in actor.parameters)
        assert (actor.name, critic.name) == ("actor", "critic")


def test_optimizer_of_a_method_is_used(build: Callable[..., Any]) -> None:
    agent = build(PPO, methods=[Descent(0.9), ContinualBackprop(maturity=2, replacement_rate=0.1)])
    assert type(agent.policy.optimizer) is torch.optim.SGD
    assert agent.parts[0].optimizer is agent.policy.optimizer
    agent.learn(2 * 64)
    assert agent.methods[1].after_iteration()["plasticity/actor/replaced_units"] > 0
    file = io.BytesIO()
    agent.save(file)
    assert type(PPO.load(file, device="cpu").policy.optimizer) is torch.optim.SGD


def test_two_optimizers_are_refused(build: Callable[..., Any]) -> None:
    with pytest.raises(SettingsError, match=r"only one method .*: descent, slide"):
        build(PPO, methods=[Descent(), Slide(0.5)])


@pytest.mark.parametrize(
    ("kind", "settings", "wanted"),
    [
        (torch.optim.Adam, {"betas": (0.9, 0.99)}, Adam),
        (torch.optim.Adam, {"amsgrad": True}, torch.optim.Adam),
        (torch.optim.AdamW, {"weight_decay": 0.1}, torch.optim.AdamW),
    ],
)
def test_the_users_optimizer_is_kept(
    kind: type, settings: dict[str, Any], wanted: type, build: Callable[..., Any]
) -> None:
    policy_kwargs = {"net_arch": [8], "optimizer_class": kind, "optimizer_kwargs": settings}
    agent = build(
        PPO,
        policy_kwargs=policy_kwargs,
        learning_rate=0.01,
        methods=[ContinualBackprop(maturity=1, replacement_rate=0.2)],
    )
    group = agent.policy.optimizer.param_groups[0]
    assert type(agent.policy.optimizer) is wanted
    assert {key: group[key] for key in settings} == settings
    assert group["lr"] == 0.01
    agent.learn(64)


def test_changes_are_told_once_a_step(build: Callable[..., Any]) -> None:
    def copy() -> Changing:
        return Changing(steps=[5, 23, 33], at_resets=[0, 2])

    for env in (DummyVecEnv([copy, copy]), VecNormalize(DummyVecEnv([copy]))):
        agent = build(PPO, env, methods=[Witness()]).learn(64)
        told = agent.methods[0].contexts
        assert told == [5, 23, 33, "reset 2"]
        file = io.BytesIO()
        agent.save(file)
        assert PPO.load(file, device="cpu").methods[0].get_buffer("told").item() == 4


class Stale(DummyVecEnv):
    """A vector of worlds that keeps the infos of its first reset, as native ones do."""

    def step_wait(self) -> Any:
        first = list(self.reset_infos)
        stepped = super().step_wait()
        self.reset_infos = first
        return stepped


def test_a_stale_reset_info_is_not_told(build: Callable[..., Any]) -> None:
    env = Stale([lambda: Changing(steps=[5], at_resets=[0, 4])])
    agent = build(PPO, env, methods=[Witness()]).learn(64)
    # Learning anew resets the world a fourth time, in the middle of an episode.
    agent.learn(64)
    assert agent.methods[0].contexts == [5]


def test_methods_get_different_seeds_that_follow_the_agents(build: Callable[..., Any]) -> None:
    one, other = (build(PPO, methods=[Witness(), Bystander()]) for _ in range(2))
    third = build(PPO, methods=[Witness()], seed=4)
    unseeded = [build(PPO, methods=[Witness()], seed=None).methods[0].seed for _ in range(2)]
    seeds = [method.seed for method in one.methods]
    assert seeds == [method.seed for method in other.methods]
    assert len({*seeds, third.methods[0].seed, *unseeded}) == 5


def test_each_row_holds_the_rollout_and_the_update_of_one_iteration(
    build: Callable[..., Any],
) -> None:
    agent, rows = build(PPO, methods=[Witness()]), Rows()
    agent.set_logger(Logger(None, [rows]))
    agent.learn(3 * 64)
    assert [row["step"] for row in rows.rows] == [64, 128, 192]
    assert [row["time/iterations"] for row in rows.rows] == [1, 2, 3]
    assert [row["train/n_updates"] for row in rows.rows] == [2, 4, 6]
    for row in rows.rows:
        assert row["witness/told"] == 0.0
        assert row["plasticity/actor/weight_norm"] > 0
        assert row["plasticity/critic/weight_change"] > 0
    assert ["plasticity/actor/trainability" in row for row in rows.rows] == [True, False, False]
    agent.learn(4 * 64, log_interval=2)
    assert [row["step"] for row in rows.rows[3:]] == [128, 256]
    agent.learn(64, log_interval=None)
    assert len(rows.rows) == 5


def test_diagnostics_can_be_switched_off(build: Callable[..., Any]) -> None:
    agent, rows = build(PPO, diagnostics=False), Rows()
    agent.set_logger(Logger(None, [rows]))
    agent.learn(64)
    assert not [tag for tag in rows.rows[0] if tag.startswith("plasticity/")]


def test_tools_of_sb3_work(build: Callable[..., Any], tmp_path: Path) -> None:
    method = ContinualBackprop(replacement_rate=0.1, maturity=2)
    agent = build(PPO, "CartPole-v1", methods=[method], tensorboard_log=str(tmp_path / "logs"))
    evaluation = DummyVecEnv([lambda: gymnasium.make("CartPole-v1")])
    callbacks = [
        EvalCallback(
            evaluation,
            eval_freq=64,
            n_eval_episodes=1,
            verbose=0,
            best_model_save_path=str(tmp_path / "best"),
            warn=False,
        ),
        CheckpointCallback(64, str(tmp_path), name_prefix="agent"),
    ]
    agent.learn(3 * 64, callback=callbacks)
    mean, _ = evaluate_policy(agent, evaluation, n_eval_episodes=2, warn=False)
    assert isinstance(mean, float)
    assert mean > 0
    saved = PPO.load(tmp_path / "agent_128_steps.zip", device="cpu")
    assert saved.methods[0].settings() == method.settings()
    assert (tmp_path / "best" / "best_model.zip").exists()
    assert list((tmp_path / "logs").rglob("events*"))


def test_methods_of_a_loaded_agent_can_be_replaced(build: Callable[..., Any]) -> None:
    plain, file = build().learn(64), io.BytesIO()
    plain.save(file)
    assert PPO.load(file, device="cpu").methods == ()
    world = gymnasium.make("Pendulum-v1")
    added = PPO.load(file, env=world, device="cpu", methods=[Witness(), ContinualBackprop()])
    assert [method.name for method in added.methods] == ["witness", "continual-backprop"]
    added.learn(64)
    again = io.BytesIO()
    added.save(again)
    assert PPO.load(again, device="cpu", methods=[]).methods == ()


def test_dict_observations(build: Callable[..., Any]) -> None:
    class Named(gymnasium.ObservationWrapper[Any, Any, Any]):
        def __init__(self) -> None:
            super().__init__(gymnasium.make("Pendulum-v1"))
            self.observation_space = gymnasium.spaces.Dict({"all": self.env.observation_space})

        def observation(self, observation: Any) -> Any:
            return {"all": np.asarray(observation)}

    kwargs = {"n_steps": 64, "batch_size": 32, "n_epochs": 1, "device": "cpu"}
    agent = PPO("MultiInputPolicy", Named(), methods=[ContinualBackprop()], **kwargs)  # type: ignore[arg-type]
    rows = Rows()
    agent.set_logger(Logger(None, [rows]))
    agent.learn(64)
    assert rows.rows[0]["plasticity/actor/hidden_0/gradient_norm"] > 0


class Opaque(ActorCriticPolicy):
    """A policy whose networks can't be walked."""

    def _build_mlp_extractor(self) -> None:
        super()._build_mlp_extractor()
        self.mlp_extractor.policy_net = nn.ModuleList([self.mlp_extractor.policy_net])  # type: ignore[assignment]
        self.mlp_extractor.forward_actor = (  # type: ignore[method-assign]
            lambda features: self.mlp_extractor.policy_net[0](features)
        )


def test_opaque_networks_work_without_methods_only() -> None:
    kwargs: dict[str, Any] = {"n_steps": 64, "n_epochs": 1, "device": "cpu"}
    agent = PPO(Opaque, "Pendulum-v1", **kwargs).learn(64)
    assert agent.parts == ()
    with pytest.raises(SettingsError, match=r"nn\.Sequential, not ModuleList"):
        PPO(Opaque, "Pendulum-v1", methods=[ContinualBackprop()], **kwargs)


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        ({"backend": "compield"}, "unknown backend 'compield': did you mean 'compiled'?"),
        ({"backend": "refrence"}, "unknown backend 'refrence': did you mean 'reference'?"),
        ({"methods": ["continual-backprop"]}, "a method must be like ContinualBackprop()"),
        ({"methods": [ContinualBackprop]}, "a method must be like ContinualBackprop()"),
    ],
)
def test_wrong_arguments(own: dict[str, Any], sentence: str, build: Callable[..., Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        build(PPO, **own)
    assert sentence in str(caught.value)


def test_signature_is_that_of_sb3_and_more() -> None:
    ours = inspect.signature(PPO.__init__).parameters
    theirs = inspect.signature(stable_baselines3.PPO.__init__).parameters
    assert list(ours)[: len(theirs)] == list(theirs)
    assert list(ours)[len(theirs) :] == ["methods", "backend", "diagnostics"]
    for name, parameter in theirs.items():
        assert ours[name].default == parameter.default
