"""What passes through an agent's networks while they are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from ..layers import HiddenLayer, Part


@final
class Seen(NamedTuple):
    """What passed through a linear map."""

    inputs: Tensor
    """Of shape (batch, inputs)."""

    outputs: Tensor
    """Of shape (batch, outputs)."""


@final
class Site(NamedTuple):
    """A linear map of a network."""

    name: str
    """`hidden_0`, `hidden_1` and so on for what makes hidden units; `output`, or `output_0` and so
    on where there are several, for what reads the last of them."""

    linear: nn.Linear
    """The map."""

    hidden: HiddenLayer | None
    """The hidden layer it makes; None for outputs."""

    @property
    def width(self) -> int:
        """Number of units."""
        return self.linear.out_features if self.hidden is None else self.hidden.width

    @property
    def weight(self) -> list[nn.Parameter]:
        """The map's weight, or nothing where it is computed from other parameters."""
        weight = self.linear.weight
        return [weight] if isinstance(weight, nn.Parameter) else []


def sites(part: Part) -> list[Site]:
    """Return a network's linear maps, from the input to the output.

    Args:
        part: the network.
    """
    hidden = [Site(f"hidden_{i}", layer.incoming, layer) for i, layer in enumerate(part.hidden)]
    if len(part.output) == 1:
        return [*hidden, Site("output", part.output[0], None)]
    return [*hidden, *(Site(f"output_{i}", map_, None) for i, map_ in enumerate(part.output))]


@contextmanager
def evaluation_mode(policy: nn.Module) -> Iterator[None]:
    """Put all modules in evaluation mode for a while, then each back into its own.

    Args:
        policy: the module that holds them.
    """
    modes = [(module, module.training) for module in policy.modules()]
    try:
        policy.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training


@torch.no_grad()
def observe(parts: Sequence[Part], forward: Callable[[], Any]) -> dict[nn.Linear, Seen]:
    """Return what passes through each linear map of the parts.

    Args:
        parts: the networks.
        forward: runs each of them once.
    """
    seen: dict[nn.Linear, Seen] = {}

    def keep(module: Any, inputs: tuple[Any, ...], outputs: Tensor) -> None:
        seen[module] = Seen(inputs[0], outputs)

    maps = [site.linear for part in parts for site in sites(part)]
    handles = [linear.register_forward_hook(keep) for linear in maps]
    try:
        forward()
    finally:
        for handle in handles:
            handle.remove()
    return seen


def copy_parameters(parts: Sequence[Part]) -> list[Tensor]:
    """Return copies of all parameters, on the CPU, where any machine can load them.

    Args:
        parts: the networks.
    """
    return [p.detach().to("cpu", copy=True) for part in parts for p in part.parameters]


@contextmanager
def borrowed(parts: Sequence[Part], values: Sequence[Tensor]) -> Iterator[None]:
    """Let parameters have other values for a while; their own are never touched.

    Args:
        parts: the networks.
        values: from `copy_parameters`.
    """
    parameters = [parameter for part in parts for parameter in part.parameters]
    own = [parameter.data for parameter in parameters]
    try:
        for parameter, value in zip(parameters, values, strict=True):
            parameter.data = value
        yield
    finally:
        for parameter, value in zip(parameters, own, strict=True):
            parameter.data = value
