"""Several networks of one structure as one pure function of one flat tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..networks import NotPure
from ..prompts.mask import PromptMask, mask_units
from ..residual import Residual

_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "ReLU()": F.relu,
    "Tanh()": torch.tanh,
    "Sigmoid()": torch.sigmoid,
    "ELU(alpha=1.0)": F.elu,
    "GELU(approximate='none')": F.gelu,
    "SiLU()": F.silu,
}
_RANDOM = (nn.modules.dropout._DropoutNd, nn.RReLU)


@final
@dataclass(frozen=True)
class Linear:
    """A linear map; its parameters are a weight, and a bias if it has one."""

    inputs: int
    outputs: int
    has_bias: bool
    half: bool = False
    """Whether the product is computed in bfloat16."""

    def __call__(self, units: Tensor, pieces: Iterator[Tensor]) -> Tensor:
        """Return the outputs of every network, of shape (networks, batch, outputs)."""
        dtype = units.dtype
        weight = next(pieces).unflatten(1, (self.outputs, self.inputs)).transpose(1, 2)
        if self.half:
            units, weight = units.bfloat16(), weight.bfloat16()
        if len(weight) == 1:
            # A network alone is faster without a batch of products.
            product = (units[0] @ weight[0]).unsqueeze(0)
        else:
            product = torch.bmm(units, weight)
        product = product.to(dtype)
        return product + next(pieces).unsqueeze(1) if self.has_bias else product

    def alone(self, units: Tensor, parameters: Iterator[Tensor]) -> Tensor:
        """Return the outputs of a single network, of shape (batch, outputs), in full precision."""
        weight = next(parameters)
        return F.linear(units, weight, next(parameters) if self.has_bias else None)


@final
@dataclass(frozen=True)
class LayerNorm:
    """A layer norm; its parameters are a weight and a bias, if it has them."""

    width: int
    eps: float
    has_weight: bool
    has_bias: bool

    def __call__(self, units: Tensor, pieces: Iterator[Tensor]) -> Tensor:
        """Return the outputs of every network, of shape (networks, batch, width)."""
        units = F.layer_norm(units, (self.width,), eps=self.eps)
        if self.has_weight:
            units = units * next(pieces).unsqueeze(1)
        return units + next(pieces).unsqueeze(1) if self.has_bias else units

    def alone(self, units: Tensor, parameters: Iterator[Tensor]) -> Tensor:
        """Return the outputs of a single network, of shape (batch, width)."""
        weight = next(parameters) if self.has_weight else None
        bias = next(parameters) if self.has_bias else None
        return F.layer_norm(units, (self.width,), weight, bias, self.eps)


@final
@dataclass(frozen=True)
class Activation:
    """A function without parameters or memory."""

    function: Callable[[Tensor], Tensor]

    def __call__(self, units: Tensor, pieces: Iterator[Tensor]) -> Tensor:
        """Return the outputs of every network, of the same shape."""
        return self.function(units)

    def alone(self, units: Tensor, parameters: Iterator[Tensor]) -> Tensor:
        """Return the outputs of a single network, of the same shape."""
        return self.function(units)


@final
@dataclass(frozen=True)
class Masked:
    """A mask over the units; its parameter is the prompt that makes it."""

    normalized: bool

    def __call__(self, units: Tensor, pieces: Iterator[Tensor]) -> Tensor:
        """Return the outputs of every network, of shape (networks, batch, width)."""
        return mask_units(units, next(pieces).unsqueeze(1), self.normalized)

    def alone(self, units: Tensor, parameters: Iterator[Tensor]) -> Tensor:
        """Return the outputs of a single network, of shape (batch, width)."""
        return mask_units(units, next(parameters), self.normalized)


@final
@dataclass(frozen=True)
class Fork:
    """The beginning of a residual block: what it reads is kept."""


@final
@dataclass(frozen=True)
class Join:
    """The end of a residual block: what was kept last is added."""


Step = Linear | LayerNorm | Activation | Masked
"""A map of a network, by plain numbers: compiled code asks at each call whether one changed."""


@final
@dataclass(frozen=True)
class Ensemble:
    """Networks that are evaluated together, with one batched product for each layer of all.

    Their parameters are one flat tensor: all of the first network, then all of the second, each
    in the order of `nn.Module.parameters`.

    Example:
        >>> networks = [nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1)) for _ in "ab"]
        >>> ensemble = write_ensemble(networks)
        >>> flat = torch.cat([p.flatten() for n in networks for p in n.parameters()])
        >>> outputs, features = ensemble(flat, torch.ones(5, 3))
        >>> outputs.shape, [layer.shape for layer in features]
        (torch.Size([2, 5, 1]), [torch.Size([2, 5, 8])])
        >>> torch.allclose(outputs[1], networks[1](torch.ones(5, 3)))
        True
    """

    steps: tuple[Step | Fork | Join, ...]
    """The structure; it begins with a linear map."""

    sizes: tuple[int, ...]
    """Elements of each parameter of one network."""

    def __call__(self, flat: Tensor, inputs: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the outputs and the hidden units' outputs of every network.

        Args:
            flat: the parameters of any number of networks.
            inputs: of all networks alike, of shape (batch, inputs).

        Returns:
            The outputs, of shape (networks, batch, outputs), and what each linear map but the
            first read, each of shape (networks, batch, width).
        """
        count = flat.numel() // sum(self.sizes)
        pieces = iter(flat.view(count, -1).split(self.sizes, dim=1))
        units = inputs.expand(count, *inputs.shape)
        features: list[Tensor] = []
        kept: list[Tensor] = []
        for index, step in enumerate(self.steps):
            if isinstance(step, Fork):
                kept.append(units)
                continue
            if isinstance(step, Join):
                units = kept.pop() + units
                continue
            if index > 0 and isinstance(step, Linear):
                features.append(units)
            units = step(units, pieces)
        return units, features

    def alone(self, parameters: Iterator[Tensor], inputs: Tensor) -> Tensor:
        """Return the outputs of a single network: what a few inputs take least time with.

        Args:
            parameters: the network's, each in its own shape; as many are taken as there are.
            inputs: of shape (batch, inputs).

        Returns:
            The outputs, of shape (batch, outputs).
        """
        kept: list[Tensor] = []
        for step in self.steps:
            if isinstance(step, Fork):
                kept.append(inputs)
            elif isinstance(step, Join):
                inputs = kept.pop() + inputs
            else:
                inputs = step.alone(inputs, parameters)
        return inputs


def write_ensemble(networks: Sequence[nn.Module], bfloat16: bool = False) -> Ensemble:
    """Write networks as a function of their parameters.

    Args:
        networks: (nested) `nn.Sequential`s, also of residual blocks, of one structure.
        bfloat16: whether products between hidden layers are computed in bfloat16. Parameters,
            inputs, outputs and all else stay as they are.

    Raises:
        NotPure: they can't be written so; says why.
    """
    structures = [tuple(_leaves(network)) for network in networks]
    first = structures[0]
    if any([repr(module) for module in other] != [repr(m) for m in first] for other in structures):
        raise NotPure("critics of different structures")
    if not first or not isinstance(first[0], nn.Linear):
        raise NotPure("a network that does not begin with a linear map")
    for structure in structures:
        for module in structure:
            if isinstance(module, nn.Module):
                _require_pure(module)
    sizes = tuple(p.numel() for network in networks[:1] for p in network.parameters())
    reads_inputs, makes_outputs = first[0], first[-1]
    return Ensemble(
        tuple(
            _write(module, bfloat16 and module is not reads_inputs and module is not makes_outputs)
            for module in first
        ),
        sizes,
    )


def _write(module: nn.Module | Fork | Join, half: bool) -> Step | Fork | Join:
    if isinstance(module, Fork | Join):
        return module
    if type(module) is nn.Linear:
        return Linear(module.in_features, module.out_features, module.bias is not None, half)
    if type(module) is nn.LayerNorm:
        if len(module.normalized_shape) != 1:
            raise NotPure("a layer norm over several dimensions")
        affine = module.elementwise_affine
        return LayerNorm(
            module.normalized_shape[0], module.eps, affine, affine and module.bias is not None
        )
    if type(module) is PromptMask:
        return Masked(module.normalized)
    return Activation(_FUNCTIONS.get(repr(module), module))


def _leaves(network: nn.Module) -> list[nn.Module | Fork | Join]:
    if isinstance(network, Residual):
        return [Fork(), *_leaves(network.branch), Join()]
    if not isinstance(network, nn.Sequential):
        return [network]
    return [leaf for child in network for leaf in _leaves(child)]


def _require_pure(module: nn.Module) -> None:
    kind = type(module).__name__
    if isinstance(module, _RANDOM):
        raise NotPure(f"{kind} draws random numbers")
    if parametrize.is_parametrized(module):
        raise NotPure("weights that are made of other parameters")
    if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks:
        raise NotPure(f"hooks on {kind}")
    if (
        type(module) not in (nn.Linear, nn.LayerNorm, PromptMask)
        and next(module.parameters(), None) is not None
    ):
        raise NotPure(f"parameters of {kind}")
    if next(module.buffers(), None) is not None:
        raise NotPure(f"memory of {kind}")
