"""Multi-layer perceptrons as pure functions of explicit tensors, with their own chain rule.

The gradient is written out instead of left to autograd: without a compiler most of the time of a
small network is autograd's bookkeeping, and a compiler gets fewer and larger pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vjp
from torch.nn.utils import parametrize

from .prompts.mask import PromptMask
from .residual import Residual

Parameters = Sequence[Tensor]
"""All parameters of an agent; steps know theirs by position."""

Gradients = dict[int, Tensor]
"""The gradient of each parameter by its position."""


class NotPure(Exception):
    """A network can't be written as a pure function of its parameters; says why."""


_aten: Any = torch.ops.aten

DERIVATIVES: dict[type, Callable[[Any, Tensor, Tensor, Tensor], Tensor]] = {
    nn.Tanh: lambda module, of_outputs, inputs, outputs: _aten.tanh_backward(of_outputs, outputs),
    nn.Sigmoid: lambda module, of_outputs, inputs, outputs: _aten.sigmoid_backward(
        of_outputs, outputs
    ),
    nn.ReLU: lambda module, of_outputs, inputs, outputs: _aten.threshold_backward(
        of_outputs, outputs, 0
    ),
    nn.ELU: lambda module, of_outputs, inputs, outputs: _aten.elu_backward(
        of_outputs, module.alpha, 1, 1, False, inputs
    ),
    nn.GELU: lambda module, of_outputs, inputs, outputs: _aten.gelu_backward(
        of_outputs, inputs, approximate=module.approximate
    ),
    nn.SiLU: lambda module, of_outputs, inputs, outputs: _aten.silu_backward(of_outputs, inputs),
    nn.LeakyReLU: lambda module, of_outputs, inputs, outputs: _aten.leaky_relu_backward(
        of_outputs, inputs, module.negative_slope, False
    ),
}
"""The gradient of an activation's inputs, from that of its outputs, its inputs and outputs."""


class Step(Protocol):
    """One map of a chain."""

    def forward(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Return the outputs."""

    def backward(
        self,
        parameters: Parameters,
        inputs: Tensor,
        outputs: Tensor,
        gradient: Tensor,
        gradients: Gradients,
    ) -> Tensor:
        """Write the gradients of the step's own parameters, and return that of its inputs."""


@final
@dataclass(frozen=True)
class Affine:
    """`inputs @ weight.T + bias`."""

    weight: int
    """Position of the weight, of shape (outputs, inputs)."""

    bias: int | None
    """Position of the bias, of shape (outputs,)."""

    first: bool = False
    """Whether nothing before it has parameters, so that nobody needs its inputs' gradient."""

    def forward(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Return the outputs."""
        bias = None if self.bias is None else parameters[self.bias]
        return F.linear(inputs, parameters[self.weight], bias)

    def backward(
        self,
        parameters: Parameters,
        inputs: Tensor,
        outputs: Tensor,
        gradient: Tensor,
        gradients: Gradients,
    ) -> Tensor:
        """Write the gradients of weight and bias, and return that of the inputs."""
        gradients[self.weight] = gradient.T @ inputs
        if self.bias is not None:
            gradients[self.bias] = gradient.sum(dim=0)
        return gradient if self.first else gradient @ parameters[self.weight]


@final
@dataclass(frozen=True)
class Activation:
    """An elementwise function whose derivative torch offers by itself."""

    module: nn.Module
    """The function, one of `DERIVATIVES`."""

    def forward(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Return the outputs."""
        return self.module(inputs)

    def backward(
        self,
        parameters: Parameters,
        inputs: Tensor,
        outputs: Tensor,
        gradient: Tensor,
        gradients: Gradients,
    ) -> Tensor:
        """Return the gradient of the inputs."""
        return DERIVATIVES[type(self.module)](self.module, gradient, inputs, outputs)


@final
@dataclass(frozen=True)
class LayerNorm:
    """Layer norm over the last dimension (Ba et al. 2016)."""

    module: nn.LayerNorm
    """The module."""

    weight: int | None
    """Position of the weight, of shape (width,)."""

    bias: int | None
    """Position of the bias, of shape (width,)."""

    def forward(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Return the outputs."""
        return F.layer_norm(inputs, *self._settings(parameters))

    def backward(
        self,
        parameters: Parameters,
        inputs: Tensor,
        outputs: Tensor,
        gradient: Tensor,
        gradients: Gradients,
    ) -> Tensor:
        """Write the gradients of weight and bias, and return that of the inputs."""
        shape, weight, bias, eps = self._settings(parameters)
        _, mean, deviation = _aten.native_layer_norm(inputs, shape, weight, bias, eps)
        wanted = [True, weight is not None, bias is not None]
        of_inputs, *of_own = _aten.native_layer_norm_backward(
            gradient, inputs, shape, mean, deviation, weight, bias, wanted
        )
        for position, of_parameter in zip((self.weight, self.bias), of_own, strict=True):
            if position is not None:
                gradients[position] = of_parameter
        return of_inputs

    def _settings(
        self, parameters: Parameters
    ) -> tuple[list[int], Tensor | None, Tensor | None, float]:
        weight = None if self.weight is None else parameters[self.weight]
        bias = None if self.bias is None else parameters[self.bias]
        return list(self.module.normalized_shape), weight, bias, self.module.eps


@final
@dataclass(frozen=True)
class Masked:
    """Units that a prompt wants; those that it does not are 0."""

    prompt: int
    """Position of the prompt, of shape (width,)."""

    def forward(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Return the outputs."""
        return inputs * (parameters[self.prompt] > 0)

    def backward(
        self,
        parameters: Parameters,
        inputs: Tensor,
        outputs: Tensor,
        gradient: Tensor,
        gradients: Gradients,
    ) -> Tensor:
        """Write the straight-through gradient of the prompt, and return that of the inputs."""
        prompt = parameters[self.prompt]
        active = prompt > 0
        gradients[self.prompt] = (gradient * inputs).sum(dim=0) * (active & (prompt < 1))
        return gradient * active


@final
@dataclass(frozen=True)
class Differentiated:
    """Any other module without buffers, differentiated by torch."""

    module: nn.Module
    """The module."""

    names: tuple[str, ...]
    """The names of its parameters."""

    positions: tuple[int, ...]
    """Their positions."""

    def forward(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Return the outputs."""
        return self._call(inputs, *(parameters[position] for position in self.positions))

    def backward(
        self,
        parameters: Parameters,
        inputs: Tensor,
        outputs: Tensor,
        gradient: Tensor,
        gradients: Gradients,
    ) -> Tensor:
        """Write the gradients of the module's parameters, and return that of its inputs."""
        own = [parameters[position] for position in self.positions]
        pull = vjp(self._call, inputs, *own)[1]
        of_inputs, *of_own = pull(gradient)
        gradients.update(zip(self.positions, of_own, strict=True))
        return of_inputs

    def _call(self, inputs: Tensor, *own: Tensor) -> Tensor:
        return functional_call(self.module, dict(zip(self.names, own, strict=True)), (inputs,))


@final
@dataclass(frozen=True)
class Chain:
    """Maps one after the other.

    Example:
        >>> body = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
        >>> chain = make_chain([body], list(body.parameters()))
        >>> trace = chain.forward(list(body.parameters()), torch.ones(5, 3))
        >>> [tuple(tensor.shape) for tensor in trace]
        [(5, 3), (5, 8), (5, 8), (5, 2)]
        >>> gradients: Gradients = {}
        >>> chain.backward(list(body.parameters()), trace, torch.ones(5, 2), gradients)
        >>> sorted(gradients)
        [0, 1, 2, 3]
    """

    steps: tuple[Step, ...]
    """The maps, from the input to the output."""

    def forward(self, parameters: Parameters, inputs: Tensor) -> list[Tensor]:
        """Return the inputs, what each step made of them, and so the outputs last.

        Args:
            parameters: all of the agent's.
            inputs: of shape (batch, inputs).
        """
        trace = [inputs]
        for step in self.steps:
            trace.append(step.forward(parameters, trace[-1]))
        return trace

    def backward(
        self, parameters: Parameters, trace: list[Tensor], gradient: Tensor, gradients: Gradients
    ) -> None:
        """Write the gradients of all parameters of the chain.

        Args:
            parameters: as `forward` had them.
            trace: what `forward` returned.
            gradient: the loss's gradient in the outputs.
            gradients: where to write.
        """
        for step, inputs, outputs in zip(
            reversed(self.steps), trace[-2::-1], trace[:0:-1], strict=True
        ):
            gradient = step.backward(parameters, inputs, outputs, gradient, gradients)

    def features(self, trace: list[Tensor]) -> list[Tensor]:
        """Return the hidden units' outputs, each of shape (batch, width).

        Args:
            trace: what `forward` returned.
        """
        reads = [i for i, step in enumerate(self.steps) if isinstance(step, Affine)]
        return [trace[i] for i in reads[1:]]

    @property
    def weights(self) -> list[int]:
        """Positions of the linear maps' weights: those of each pair make and read hidden units."""
        return [step.weight for step in self.steps if isinstance(step, Affine)]


def make_chain(modules: Sequence[nn.Module], parameters: Sequence[Tensor]) -> Chain:
    """Write modules as a chain.

    Args:
        modules: `nn.Sequential`s and other modules, one after the other.
        parameters: all of the agent's; those of the modules are among them.

    Raises:
        NotPure: a module keeps state, draws random numbers or has hooks.
    """
    positions = {id(parameter): position for position, parameter in enumerate(parameters)}
    steps: list[Step] = []
    for module in _leaves(modules):
        _require_pure(module)
        own = {name: positions[id(parameter)] for name, parameter in module.named_parameters()}
        if type(module) is nn.Linear:
            first = all(isinstance(step, Activation) for step in steps)
            steps.append(Affine(own["weight"], own.get("bias"), first))
        elif type(module) in DERIVATIVES:
            steps.append(Activation(module))
        elif type(module) is PromptMask and not module.normalized:
            steps.append(Masked(own["prompt"]))
        elif type(module) is nn.LayerNorm:
            steps.append(LayerNorm(module, own.get("weight"), own.get("bias")))
        else:
            steps.append(Differentiated(module, tuple(own), tuple(own.values())))
    return Chain(tuple(steps))


def _leaves(modules: Sequence[nn.Module]) -> Iterator[nn.Module]:
    for module in modules:
        if type(module) is nn.Sequential:
            yield from _leaves(list(module))
        else:
            yield module


def _require_pure(module: nn.Module) -> None:
    kind = type(module).__name__
    if isinstance(module, Residual):
        raise NotPure("residual blocks")
    if getattr(module, "inplace", False):
        raise NotPure(f"{kind} changes its inputs")
    if parametrize.is_parametrized(module):
        raise NotPure("weights that are made of other parameters")
    for inner in module.modules():
        if isinstance(inner, nn.modules.dropout._DropoutNd | nn.RReLU):
            raise NotPure(f"{kind} draws random numbers")
        if inner._forward_hooks or inner._forward_pre_hooks or inner._backward_hooks:
            raise NotPure(f"{kind} has hooks")
    if next(module.buffers(), None) is not None:
        raise NotPure(f"{kind} keeps buffers")
