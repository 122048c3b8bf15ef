"""Policies whose networks methods have changed, also where stable-baselines3 loads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from torch import nn

from ..wrappers.errors import SettingsError
from .method import Method, overrides
from .registry import describe_method, rebuild_method


def change_network(policy: nn.Module, methods: Sequence[Method]) -> None:
    """Let methods change a policy, one after the other.

    Args:
        policy: stable-baselines3's, or a bare network.
        methods: an agent's.

    Raises:
        SettingsError: two methods bring the same thing, or one does not fit the network.

    Example:
        >>> from everlearn.agents.registry import make_method
        >>> change_network(nn.Sequential(), [make_method("layer-norm"), make_method("nap")])
        Traceback (most recent call last):
        ...
        everlearn.wrappers.errors.SettingsError: only one method can bring the normalization, \
but these do: layer-norm, nap
    """
    for thing in {method.brings for method in methods} - {None}:
        names = [method.name for method in methods if method.brings == thing]
        if len(names) > 1:
            listed = ", ".join(names)
            raise SettingsError(f"only one method can bring the {thing}, but these do: {listed}")
    for method in methods:
        method.network(policy)


@final
@dataclass(frozen=True)
class ChangedPolicy:
    """Builds a policy with the changes of methods.

    It is saved in place of the policy's class, so that stable-baselines3, too, builds the network
    that the weights belong to.
    """

    policy_class: Any
    """The policy's class."""

    specs: tuple[dict[str, Any], ...]
    """The methods that change it, as plain data."""

    @property
    def __name__(self) -> str:
        """The class's, which stable-baselines3 asks for."""
        return str(self.policy_class.__name__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Build the policy.

        Args:
            *args: as for its class.
            **kwargs: as for its class.
        """
        policy = self.policy_class(*args, **kwargs)
        change_network(policy, [rebuild_method(spec) for spec in self.specs])
        owners = [policy] if hasattr(policy, "mlp_extractor") else [policy.actor, policy.critic]
        taken: set[int] = set()
        for owner in owners:
            parameters = [p for p in owner.parameters() if id(p) not in taken]
            taken.update(id(parameter) for parameter in parameters)
            rate = owner.optimizer.param_groups[0]["lr"]
            owner.optimizer = policy.optimizer_class(parameters, lr=rate, **policy.optimizer_kwargs)
        return policy


def changed_policy(policy_class: Any, methods: Sequence[Method]) -> Any:
    """Return what is to be saved in place of a policy's class.

    Args:
        policy_class: the policy's class.
        methods: the agent's.

    Returns:
        The class itself where no method changes networks.
    """
    specs = tuple(describe_method(method) for method in methods if overrides(method, "network"))
    return ChangedPolicy(policy_class, specs) if specs else policy_class


def original_policy(saved: Any) -> Any:
    """Return the class of a policy from what `changed_policy` returned.

    Args:
        saved: that, or a class.
    """
    return saved.policy_class if isinstance(saved, ChangedPolicy) else saved
