"""A network as methods see it: hidden layers, and the parts of an agent they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from ..wrappers.errors import SettingsError
from .residual import Residual


@final
@dataclass(eq=False)
class HiddenLayer:
    """One layer of units: what makes them, and what reads them.

    Example:
        >>> body = nn.Sequential(nn.Linear(3, 8), nn.LayerNorm(8), nn.ReLU())
        >>> (layer,) = hidden_layers(body, [nn.Linear(8, 2)])
        >>> layer.width, layer.activation, len(layer.between)
        (8, ReLU(), 1)
    """

    incoming: nn.Linear
    """The linear map whose rows make the units."""

    activation: nn.Module
    """The last module before the units are read (`incoming` itself where there is no other)."""

    outgoing: tuple[nn.Linear, ...]
    """The linear maps whose columns read the units."""

    between: tuple[nn.Module, ...] = ()
    """What lies between `incoming` and `activation`, such as a layer norm."""

    features: Tensor | None = None
    """The units' outputs as `outgoing` read them in the last training batch, of shape (batch,
    width) and without gradient; None before the first, or where no method needs them."""

    skip: int = 0
    """How many layers before this one is that whose units are added to what it makes, as at the end
    of a residual block; 0 for none."""

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """`incoming`, what lies between, and the activation if there is one."""
        after = () if self.activation is self.incoming else (self.activation,)
        return (self.incoming, *self.between, *after)

    @property
    def width(self) -> int:
        """Number of units."""
        return self.outgoing[0].in_features


@final
class Units(NamedTuple):
    """What can be measured of one layer of units after a gradient step."""

    features: Tensor
    """Their outputs in the minibatch, before the step, of shape (batch, width)."""

    outgoing: tuple[Tensor, ...]
    """The weights that read them, after the step, each of shape (outputs, width)."""

    incoming: Tensor
    """The weights that make them, after the step, of shape (width, inputs)."""


@final
@dataclass(eq=False)
class Part:
    """One network of an agent with its optimizer, which several parts may share."""

    name: str
    """What it is: "actor" or "critic"."""

    hidden: tuple[HiddenLayer, ...]
    """The hidden layers, from the input to the output."""

    output: tuple[nn.Linear, ...]
    """The output layers; they read the last hidden layer."""

    parameters: tuple[nn.Parameter, ...]
    """All trainable parameters; each of the agent's belongs to exactly one part."""

    optimizer: Optimizer
    """The optimizer of these parameters, and possibly of others."""

    spread: nn.Parameter | None = None
    """That of `parameters` which holds the logarithms of the actions' standard deviations, and so
    is no weight of the network; None where there is none."""

    observed: bool = False
    """Whether the update itself calls the methods' `observe`."""

    target: tuple[nn.Parameter, ...] = ()
    """The parameters of its target network, in the order of `parameters`; none without one."""

    batch: Tensor | Callable[[], Tensor | None] | None = None
    """What it read of the last training batch, of shape (batch, inputs), or what returns that:
    `recall` asks for it, so that steps at which nobody does cost nothing."""

    fresh: Callable[[int], Sequence[Tensor]] | None = None
    """Draws, from a seed, what `parameters` would be if the network began anew."""

    differentiate: Callable[[Any], Sequence[Tensor]] | None = None
    """The gradient of the loss that the network learns by, without penalties, at examples of a task
    (`everlearn.agents.retention.task`), in the order of `parameters`; None where nobody offers."""

    parameters_of: Callable[[int], Sequence[Tensor]] | None = None
    """The parameters with which the network now acts in a task, by its number, as all retention
    methods together have it; they can be differentiated."""

    by_task: tuple[int, ...] = ()
    """Places among `parameters` of those that each task has of its own (`multi-head`)."""

    renew_temperature: Callable[[], None] | None = None
    """Sets an actor's entropy temperature, and its optimizer, back to the beginning."""

    choices: tuple[int, ...] = ()
    """Where the outputs are logits: among how many actions each choice is made, in the outputs'
    order; empty where they are numbers, such as mean actions or values."""

    def units(self) -> list[Units]:
        """Return the hidden layers as observers see them.

        Raises:
            RuntimeError: no training batch was kept.
        """
        units: list[Units] = []
        for layer in self.hidden:
            if layer.features is None:
                raise RuntimeError(f"no training batch of the {self.name} was kept")
            weights = tuple(outgoing.weight for outgoing in layer.outgoing)
            units.append(Units(layer.features, weights, layer.incoming.weight))
        return units

    @property
    def weights(self) -> tuple[nn.Parameter, ...]:
        """All of `parameters` but `spread`."""
        return tuple(parameter for parameter in self.parameters if parameter is not self.spread)

    def places(self, tensors: Iterable[Tensor | None]) -> tuple[int, ...]:
        """Return where tensors are among `parameters`.

        Args:
            tensors: what to look for; None is left out.

        Raises:
            SettingsError: a tensor is no parameter, as where another one gives it.
        """
        known = {id(parameter): place for place, parameter in enumerate(self.parameters)}
        wanted = [tensor for tensor in tensors if tensor is not None]
        if any(id(tensor) not in known for tensor in wanted):
            raise SettingsError(
                f"the {self.name}'s weights are made of other parameters, as weight-norm does, "
                "and can't be reached: leave out one of the two"
            )
        return tuple(known[id(tensor)] for tensor in wanted)

    def recall(self) -> Tensor:
        """Return what the network read of the last training batch.

        Returns:
            Of shape (batch, inputs), without gradient; what a features extractor made of the
            observations, where there is one.

        Raises:
            RuntimeError: there was no training batch.
        """
        batch = self.batch() if callable(self.batch) else self.batch
        if batch is None:
            raise RuntimeError(f"no training batch of the {self.name} was kept")
        return batch

    def reset_optimizer(self, parameter: Tensor, index: Any) -> None:
        """Let the optimizer forget what it knows of some elements of a parameter.

        An optimizer with a method `reset(parameter, index)` does it itself, as `Adam` of this
        package does. Others forget a whole parameter; of a part of it, the elements of each state
        tensor of the parameter's shape are set to 0, and a step count shared with others is kept.

        Args:
            parameter: one of the optimizer's parameters.
            index: which elements, as in `parameter[index]`; `...` for all.
        """
        reset = getattr(self.optimizer, "reset", None)
        if reset is not None:
            reset(parameter, index)
            return
        if index is ...:
            self.optimizer.state.pop(parameter, None)
            return
        for value in self.optimizer.state.get(parameter, {}).values():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                value[index] = 0


def hidden_layers(body: nn.Module, output: Sequence[nn.Linear]) -> tuple[HiddenLayer, ...]:
    """Find the hidden layers of a network.

    Args:
        body: all modules up to the last hidden units, as (nested) `nn.Sequential`, also with
            residual blocks (`everlearn.agents.residual`).
        output: the linear maps that read the last hidden units.

    Returns:
        The layers from the input to the output; none for an empty body.

    Raises:
        SettingsError: the body is something else than a sequence, or has a residual block that does
            not begin with a linear map, ends with another block, is the first to read the inputs,
            or has more than a linear map or a block right after it.

    Example:
        >>> body = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 4), nn.Tanh())
        >>> [layer.width for layer in hidden_layers(body, [nn.Linear(4, 1)])]
        [8, 4]
    """
    groups: list[list[nn.Module]] = []
    skips: dict[int, int] = {}
    _collect(body, groups, skips)
    layers: list[HiddenLayer] = []
    readers = tuple(output)
    for index in reversed(range(len(groups))):
        incoming, *rest = groups[index]
        assert isinstance(incoming, nn.Linear)
        modules = [incoming, *rest]
        between, skip = tuple(modules[1:-1]), skips.get(index, 0)
        layers.append(HiddenLayer(incoming, modules[-1], readers, between, skip=skip))
        readers = (incoming,)
    return tuple(reversed(layers))


def sequence_of(layers: Sequence[HiddenLayer]) -> nn.Sequential:
    """Return hidden layers as one sequence of their own modules.

    Args:
        layers: all hidden layers of a network, from the input to the output.

    Example:
        >>> block = Residual(nn.Sequential(nn.Linear(8, 8)))
        >>> body = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), block)
        >>> layers = hidden_layers(body, [nn.Linear(8, 1)])
        >>> [type(module).__name__ for module in sequence_of(layers)]
        ['Linear', 'ReLU', 'Residual']
    """
    modules: list[nn.Module] = []
    starts: list[int] = []
    for index, layer in enumerate(layers):
        starts.append(len(modules))
        modules += layer.modules
        if layer.skip:
            start = starts[index - layer.skip + 1]
            modules[start:] = [Residual(nn.Sequential(*modules[start:]))]
    return nn.Sequential(*modules)


def walk(
    layers: Sequence[HiddenLayer], inputs: Tensor, evaluate: Callable[[nn.Module, Tensor], Tensor]
) -> list[Tensor]:
    """Return what each hidden layer makes of inputs.

    Args:
        layers: all hidden layers of a network, from the input to the output.
        inputs: what the first one reads, of shape (batch, inputs).
        evaluate: returns what a module makes of its inputs.
    """
    features: list[Tensor] = []
    for index, layer in enumerate(layers):
        for module in layer.modules:
            inputs = evaluate(module, inputs)
        if layer.skip:
            inputs = features[index - layer.skip] + inputs
        features.append(inputs)
    return features


@torch.no_grad()
def compute_features(layers: Sequence[HiddenLayer], inputs: Tensor) -> list[Tensor]:
    """Return hidden units' outputs with the weights as they are now, each of shape (batch, width).

    Modules that behave otherwise in training, such as dropout, do what they do in evaluation.

    Args:
        layers: all hidden layers of a network, from the input to the output.
        inputs: what the first one reads, of shape (batch, inputs).

    Example:
        >>> body = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 4), nn.ReLU())
        >>> layers = hidden_layers(body, [nn.Linear(4, 1)])
        >>> [tuple(units.shape) for units in compute_features(layers, torch.ones(5, 3))]
        [(5, 8), (5, 4)]
    """
    return walk(layers, inputs, _evaluate)


def compute_outputs(part: Part, inputs: Tensor) -> Tensor:
    """Return what a network's first output layer answers with the weights as they are now.

    It can be differentiated. Modules that behave otherwise in training, such as dropout, do what
    they do in evaluation, and nothing is kept of `inputs` as if they were a training batch.

    Args:
        part: the network; of SAC's actor the first outputs are the means.
        inputs: as from `part.recall()`, of shape (batch, inputs).

    Returns:
        Of shape (batch, outputs).

    Example:
        >>> body, output = nn.Sequential(nn.Linear(3, 8), nn.ReLU()), nn.Linear(8, 2)
        >>> parameters = (*body.parameters(), *output.parameters())
        >>> layers, optimizer = hidden_layers(body, [output]), torch.optim.Adam(parameters)
        >>> part = Part("actor", layers, (output,), parameters, optimizer)
        >>> compute_outputs(part, torch.ones(5, 3)).shape
        torch.Size([5, 2])
    """
    return _evaluate(part.output[0], [inputs, *walk(part.hidden, inputs, _evaluate)][-1])


def _evaluate(module: nn.Module, inputs: Tensor) -> Tensor:
    training = module.training
    outputs: Tensor = module.eval()(inputs)
    module.train(training)
    return outputs


def gradients_of(part: Part) -> list[Tensor]:
    """Return the gradient of each of a network's parameters, to be changed in place.

    Args:
        part: the network, after its loss's backward pass; a parameter that the loss did not reach
            gets a gradient of 0.
    """
    gradients: list[Tensor] = []
    for parameter in part.parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        gradients.append(parameter.grad)
    return gradients


def capture_features(layer: HiddenLayer) -> RemovableHandle:
    """Keep `layer.features` up to date with each training batch.

    Only forward passes in training mode with gradients count, so that neither rollouts nor
    predictions nor evaluations are seen.

    Args:
        layer: the layer to watch.

    Returns:
        The handle that ends it.
    """

    def keep(features: Tensor) -> None:
        layer.features = features

    # What reads the units sees them as they are used, whatever comes after the activation, and
    # even where one activation module serves several layers.
    return _capture(layer.outgoing[0], keep)


def capture_batch(part: Part) -> RemovableHandle:
    """Keep `part.batch` up to date with each training batch.

    Args:
        part: the network to watch.

    Returns:
        The handle that ends it.
    """

    def keep(inputs: Tensor) -> None:
        part.batch = inputs

    return _capture(part.hidden[0].incoming if part.hidden else part.output[0], keep)


def _capture(reader: nn.Linear, keep: Callable[[Tensor], None]) -> RemovableHandle:
    def look(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if module.training and torch.is_grad_enabled():
            keep(inputs[0].detach())

    return reader.register_forward_pre_hook(look)


def _collect(body: nn.Module, groups: list[list[nn.Module]], skips: dict[int, int]) -> None:
    """Gather each linear map with what follows it, and where residual blocks end."""
    if not isinstance(body, nn.Sequential):
        raise SettingsError(
            f"methods need networks made of nn.Sequential, not {type(body).__name__}"
        )
    for child in body:
        before = len(groups)
        if isinstance(child, nn.Sequential):
            _collect(child, groups, skips)
        elif isinstance(child, nn.Linear):
            groups.append([child])
        elif isinstance(child, Residual):
            if not groups or not isinstance(child.branch[0], nn.Linear):
                raise SettingsError(
                    "methods need residual blocks to begin with a linear map, and one before them"
                )
            _collect(child.branch, groups, skips)
            if len(groups) - 1 in skips:
                raise SettingsError("methods need residual blocks that do not end with another")
            skips[len(groups) - 1] = len(groups) - before
        elif before - 1 in skips:
            raise SettingsError(
                f"methods need a linear map after a residual block, not {type(child).__name__}"
            )
        elif groups:
            groups[-1].append(child)
