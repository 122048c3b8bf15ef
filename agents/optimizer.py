"""Which optimizer an agent with methods uses, and how its state is saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from stable_baselines3.common.policies import BasePolicy
from torch import nn
from torch.optim import Optimizer

from ..wrappers.errors import SettingsError
from .adam import SETTINGS, Adam
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
    if kind is torch.optim.Adam and settings.keys() <= set(SETTINGS):
        kind = Adam
    return kind(parameters, lr=learning_rate, **settings)


OWN = "everlearn"
"""Where the state of a method's optimizer lies, beside what stable-baselines3 reads."""


def save_optimizer(optimizer: Optimizer, policy: BasePolicy) -> dict[str, Any]:
    """Return an optimizer's state in such a way that stable-baselines3 can load it too.

    It makes the optimizer that the policy asks for, to which another's memory means nothing: it
    finds the state in which it would begin, and the other's lies beside that.

    Args:
        optimizer: which may be a method's.
        policy: whose `optimizer_class` stable-baselines3 will build.
    """
    if _speaks_for(optimizer, policy):
        return optimizer.state_dict()
    parameters = [member for group in optimizer.param_groups for member in group["params"]]
    rate = optimizer.param_groups[0]["lr"]
    kind: Any = policy.optimizer_class
    begun = kind(parameters, lr=rate, **policy.optimizer_kwargs).state_dict()
    return begun | {OWN: {"class": type(optimizer).__name__, "state": optimizer.state_dict()}}


def find_state(saved: dict[str, Any], optimizer: Optimizer, policy: BasePolicy) -> dict[str, Any]:
    """Return what an optimizer is to load; another's memory is none for it, and it begins anew.

    Args:
        saved: from `save_optimizer`, or from stable-baselines3.
        optimizer: which may be a method's.
        policy: the optimizer's.
    """
    own = saved.get(OWN)
    if own is not None and own["class"] == type(optimizer).__name__:
        return own["state"]
    return saved if _speaks_for(optimizer, policy) else optimizer.state_dict()


def _speaks_for(optimizer: Optimizer, policy: BasePolicy) -> bool:
    """Return whether an optimizer's state is one of the policy's own optimizer."""
    kind = policy.optimizer_class
    return type(optimizer) is kind or (type(optimizer) is Adam and kind is torch.optim.Adam)
