"""How methods take part where stable-baselines3 makes the gradient steps: by torch's hooks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from .layers import Part, capture_batch, capture_features, gradients_of
from .method import Method, overrides


def hook_methods(methods: Sequence[Method], parts: Sequence[Part], penalties: list[Tensor]) -> None:
    """Have methods called around the steps of their networks' optimizers.

    Args:
        methods: an agent's.
        parts: the agent's networks.
        penalties: where each gradient step leaves the sum of the methods' penalties.
    """
    for part in parts:
        capture_batch(part)
    if any(method.needs_features for method in methods):
        for part in parts:
            for layer in part.hidden:
                capture_features(layer)
    for optimizer in {id(part.optimizer): part.optimizer for part in parts}.values():
        own = [part for part in parts if part.optimizer is optimizer]
        if any(overrides(method, "change_gradients") for method in methods):
            optimizer.register_step_pre_hook(partial(_before_step, methods, own))
        optimizer.register_step_post_hook(partial(_after_step, methods, own))
        if any(overrides(method, "penalty", "regularize") for method in methods):
            _add_penalties_with(optimizer, methods, own, penalties)


def _add_penalties_with(
    optimizer: Optimizer,
    methods: Sequence[Method],
    parts: Sequence[Part],
    penalties: list[Tensor],
) -> None:
    """Let `optimizer.zero_grad` leave the penalties' gradients where there were none.

    Every algorithm of stable-baselines3 calls `zero_grad` between the forward pass and the
    backward pass of each gradient step. The loss's gradients then add to the penalties', and
    both are clipped together, as if the penalties were in the loss. Hooks on the parameters
    would also fire where another network's loss flows through them, as in SAC, and never for
    a parameter that the loss does not reach.
    """
    clear = optimizer.zero_grad

    def zero_grad(set_to_none: bool = True) -> None:
        clear(set_to_none)
        found = [
            penalty
            for method in methods
            for part in parts
            if (penalty := method.penalty(part)) is not None
        ]
        if found:
            total = torch.stack(found).sum()
            penalties.append(total.detach())
            if total.requires_grad:
                total.backward()

    optimizer.zero_grad = zero_grad  # type: ignore[method-assign]


@torch.no_grad()
def _before_step(
    methods: Sequence[Method], parts: Sequence[Part], optimizer: Optimizer, args: Any, kwargs: Any
) -> None:
    for method in methods:
        for part in parts:
            if overrides(method, "change_gradients"):
                method.change_gradients(part, gradients_of(part))


@torch.no_grad()
def _after_step(
    methods: Sequence[Method], parts: Sequence[Part], optimizer: Optimizer, args: Any, kwargs: Any
) -> None:
    for method in methods:
        for part in parts:
            method.track(part.name, part.parameters)
    for method in methods:
        for part in parts:
            method.after_step(part)
