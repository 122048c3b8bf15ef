from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import stable_baselines3
import torch
from stable_baselines3.common.logger import Logger
from torch import nn

from everlearn.agents import PPO, SAC
from everlearn.agents.registry import METHODS

SETTINGS: dict[str, Any] = {
    "n_steps": 64,
    "batch_size": 32,
    "n_epochs": 2,
    "seed": 3,
    "device": "cpu",
    "policy_kwargs": {"net_arch": [8, 8]},
}

SAC_SETTINGS: dict[str, Any] = {
    "learning_starts": 32,
    "train_freq": 4,
    "batch_size": 16,
    "buffer_size": 300,
    "seed": 3,
    "device": "cpu",
    "policy_kwargs": {"net_arch": [8, 8]},
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave half of the contract's agents, worlds and back ends to the slow tests.

    Each method meets both agents, all kinds of actions and both back ends by default, but not
    each with each: the contract of all methods would take most of the time of all tests.
    """
    for item in items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        if item.path.name == "test_contract.py" and {"kind", "backend"} <= params.keys():
            continuous_ppo = params["kind"] is PPO and params.get("env") != "CartPole-v1"
            if params["backend"] != ("reference" if continuous_ppo else "eager"):
                item.add_marker(pytest.mark.slow)
        if item.path.name == "test_contract.py" and _is_stood_for(item.name, params):
            item.add_marker(pytest.mark.slow)


def _is_stood_for(test: str, params: Mapping[str, Any]) -> bool:
    """Tell whether others stand by default for a method that keeps old tasks.

    All of them go on from a checkpoint on one agent, and have their settings checked.
    """
    name, kind = str(params.get("name")), params.get("kind")
    keeps_tasks = METHODS.get(name, "").startswith(".retention.")
    if not keeps_tasks or name in ("clonex", "packnet"):
        return False
    quick = ("test_from_a_checkpoint", "test_settings", "test_wrong")
    return not test.startswith(quick) or kind not in (None, PPO if name == "clear" else SAC)


@pytest.fixture
def build() -> Callable[..., Any]:
    """Build a tiny agent of a class; 64 steps bring 4 gradient steps of PPO, 16 of SAC."""

    def build_agent(
        kind: type = stable_baselines3.PPO, env: Any = "Pendulum-v1", **own: Any
    ) -> Any:
        settings = SAC_SETTINGS if issubclass(kind, stable_baselines3.SAC) else SETTINGS
        return kind("MlpPolicy", env, **{**settings, **own})

    return build_agent


@pytest.fixture
def same() -> Callable[[Any, Any], bool]:
    """Tell whether two modules are equal bit for bit."""

    def is_same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
        one, other = first.state_dict(), second.state_dict()
        return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)

    return is_same


def parameters_of(agent: Any) -> torch.Tensor:
    return torch.cat([p.detach().reshape(-1).clone() for p in agent.policy.parameters()])


def make_double(agent: Any) -> None:
    """Let an agent compute in double precision, which no option of SB3 offers."""
    agent.policy.double()
    for method in agent.methods:
        method.double()
    for state in agent.policy.optimizer.state.values():
        tensors = {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}
        state |= {key: value.double() for key, value in tensors.items() if value.ndim > 0}
    for name in ("values", "log_probs", "advantages", "returns"):
        buffer = agent.rollout_buffer
        setattr(buffer, name, getattr(buffer, name).astype(np.float64))
    if agent.backend != "reference":
        agent._connect_methods()
    for extractor in {agent.policy.pi_features_extractor, agent.policy.vf_features_extractor}:
        extractor.register_forward_pre_hook(lambda module, inputs: (inputs[0].double(),))


@pytest.fixture
def twins(build: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
    """Make a reference and a fast PPO in one state: an iteration behind them, a rollout before."""

    def make_twins(backend: str, dtype: torch.dtype = torch.float32, **own: Any) -> tuple[Any, Any]:
        own = {"batch_size": 16, "n_epochs": 4, **own}
        reference, fast = (build(PPO, backend=name, **own) for name in ("reference", backend))
        reference.learn(64)
        _, callback = reference._setup_learn(128)
        buffer = reference.rollout_buffer
        reference.collect_rollouts(reference.env, callback, buffer, reference.n_steps)
        fast.rollout_buffer = copy.deepcopy(buffer)
        fast._n_updates = reference._n_updates
        fast.num_timesteps = reference.num_timesteps
        fast.earlier_steps = reference.earlier_steps
        fast.task_state = copy.deepcopy(reference.task_state)
        fast.action_space = copy.deepcopy(reference.action_space)
        fast._current_progress_remaining = reference._current_progress_remaining = 0.5
        nn.ModuleList(fast.methods).load_state_dict(nn.ModuleList(reference.methods).state_dict())
        fast.policy.load_state_dict(reference.policy.state_dict())
        state = reference.policy.optimizer.state_dict()
        fast.policy.optimizer.load_state_dict(copy.deepcopy(state))
        for agent in (reference, fast):
            agent.set_logger(Logger(None, []))
            if dtype == torch.float64:
                make_double(agent)
        return reference, fast

    return make_twins


@pytest.fixture
def train_both() -> Callable[[Any, Any], None]:
    """Train twins on the same minibatches, and compare their parameters."""

    def train(reference: Any, fast: Any) -> None:
        start = parameters_of(reference)
        for agent in (reference, fast):
            np.random.seed(7)
            agent.train()
        tolerance = 1e-9 if start.dtype == torch.float64 else 1e-5
        wanted, got = parameters_of(reference), parameters_of(fast)
        assert (wanted - start).norm() > 0 or reference.target_kl == 1e-6
        assert (wanted - got).norm() <= tolerance * wanted.norm()

    return train
