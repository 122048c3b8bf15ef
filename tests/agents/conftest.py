from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stable_baselines3
import torch

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


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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
