"""Which optimizer an agent with methods uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from stable_baselines3.common.policies import BasePolicy
from torch import nn
from torch.optim import Optimizer

from ..wrappers.errors import SettingsError
from .adam import Adam
from .method import Method


def make_optimizer(
    methods: Sequence[Method],
    parameters: Sequence[nn.Parameter],
    learning_rate: float,
    policy: BasePolicy,
) -> Optimizer:
    """Make the optimizer of some of an agent's parameters.

    It is the one that a method brings; else `Adam` of this package where the policy asks for
    torch's (with settings that both have); else what the policy asks for.

    Args:
        methods: the agent's methods.
        parameters: what it is to optimize.
        learning_rate: the initial learning rate.
        policy: whose `optimizer_class` and `optimizer_kwargs` are used.

    Raises:
        SettingsError: several methods bring an optimizer.

    Example:
        >>> from gymnasium.spaces import Box
        >>> from stable_baselines3.ppo import MlpPolicy
        >>> policy = MlpPolicy(Box(-1, 1, (3,)), Box(-1, 1, (1,)), lambda progress: 0.1)
        >>> type(make_optimizer([], list(policy.parameters()), 0.1, policy)) is Adam
        True
    """
    settings = dict(policy.optimizer_kwargs)
    offers = [
        (method.name, offer)
        for method in methods
        if (offer := method.optimizer(parameters, learning_rate, settings)) is not None
    ]
    if len(offers) > 1:
        names = ", ".join(name for name, _ in offers)
        raise SettingsError(f"only one method can bring an optimizer, but these do: {names}")
    if offers:
        return offers[0][1]
    kind: Any = policy.optimizer_class
    if kind is torch.optim.Adam and settings.keys() <= {"betas", "eps", "weight_decay"}:
        kind = Adam
    return kind(parameters, lr=learning_rate, **settings)
