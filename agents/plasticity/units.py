"""What all methods that replace single units have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ...wrappers.errors import SettingsError
from ..layers import HiddenLayer, Part
from .renewal import draw_fresh

Initializer = Literal["lecun", "kaiming", "xavier", "default"]
"""A uniform law of incoming weights; "default" is that of `nn.Linear`."""

Law = Initializer | Literal["network"]
"""A law of incoming weights; "network" is the one by which the network itself began."""


def require_units(name: str, parts: Sequence[Part]) -> None:
    """Raise unless there are units that can be replaced one by one.

    Args:
        name: the method's.
        parts: the agent's networks.

    Raises:
        SettingsError: there is no hidden layer of linear units, or one whose units have several
            outputs, or a residual block.
    """
    if not any(part.hidden for part in parts):
        raise SettingsError(
            f"{name} needs a hidden linear layer between features and outputs: "
            "give policy_kwargs a net_arch"
        )
    for layer in (layer for part in parts for layer in part.hidden):
        if any(parametrize.is_parametrized(linear) for linear in (layer.incoming, *layer.outgoing)):
            raise SettingsError(
                f"{name} sets single weights, which weight-norm makes of other parameters: "
                "leave out one of the two"
            )
        if layer.skip:
            raise SettingsError(
                f"{name} replaces single units, but a residual block adds up those of several "
                "layers: leave out one of the two"
            )
        if layer.incoming.out_features != layer.width:
            raise SettingsError(
                f"{name} needs one output a unit, but {layer.activation} makes "
                f"{layer.width} of {layer.incoming.out_features}: leave out one of the two"
            )


def draw_weights(
    layer: HiddenLayer, n_units: int, initializer: Initializer, generator: torch.Generator | None
) -> Tensor:
    """Draw incoming weights for new units.

    Args:
        layer: the units' layer.
        n_units: how many.
        initializer: the law.
        generator: the source.

    Returns:
        Of shape (units, inputs), of the layer's type and on its device.

    Example:
        >>> layer = HiddenLayer(nn.Linear(12, 4), nn.ReLU(), (nn.Linear(4, 1),))
        >>> weights = draw_weights(layer, 2, "lecun", torch.Generator().manual_seed(0))
        >>> weights.shape, bool((weights.abs() <= 0.5).all())
        (torch.Size([2, 12]), True)
    """
    drawn = torch.rand(n_units, layer.incoming.in_features, generator=generator)
    return ((2 * drawn - 1) * _bound(initializer, layer)).to(layer.incoming.weight)


def replace_units(
    part: Part,
    layer: HiddenLayer,
    units: Any,
    weights: Tensor,
    biases: Tensor | float = 0.0,
    reset_optimizer: bool = True,
) -> None:
    """Put new units in place of old ones: nothing reads them yet.

    Their outgoing weights become 0, and a layer norm's scale and offset of theirs 1 and 0. Layers
    are to be treated from the input to the output: a layer's new incoming weights overwrite the
    zeros that the layer below has just put there.

    Args:
        part: the network.
        layer: the units' layer.
        units: which, as in `weight[units]`: a slice, a mask or indices.
        weights: their new incoming weights, of shape (units, inputs).
        biases: their new biases.
        reset_optimizer: whether the optimizer forgets all that belonged to them.
    """
    incoming = layer.incoming
    renewal: list[tuple[Tensor | None, Any, Any]] = [
        (incoming.weight, units, weights),
        (incoming.bias, units, biases),
    ]
    for norm in (module for module in layer.between if isinstance(module, nn.LayerNorm)):
        renewal += [(norm.weight, units, 1.0), (norm.bias, units, 0.0)]
    renewal += [(outgoing.weight, (slice(None), units), 0.0) for outgoing in layer.outgoing]
    for parameter, index, value in renewal:
        if parameter is not None:
            parameter[index] = value
            if reset_optimizer:
                part.reset_optimizer(parameter, index)


def recycle_units(
    part: Part,
    masks: Sequence[Tensor],
    law: Law,
    seed: int,
    generator: torch.Generator | None,
    reset_optimizer: bool = True,
) -> int:
    """Put new units in place of some of a network's, as `replace_units` does.

    Args:
        part: the network.
        masks: which units, for each hidden layer one of shape (width,).
        law: the law of their incoming weights.
        seed: of the draw by the network's own law.
        generator: the source of the draws by the others.
        reset_optimizer: whether the optimizer forgets all that belonged to them.

    Returns:
        How many.
    """
    counts = [int(mask.sum()) for mask in masks]
    fresh: dict[int, Tensor] = {}
    if law == "network" and any(counts):
        drawn = draw_fresh(part, seed)
        fresh = {id(p): value for p, value in zip(part.parameters, drawn, strict=True)}
    for layer, mask, n_units in zip(part.hidden, masks, counts, strict=True):
        if n_units == 0:
            continue
        if law == "network":
            weights = fresh[id(layer.incoming.weight)][mask]
        else:
            weights = draw_weights(layer, n_units, law, generator)
        replace_units(part, layer, mask, weights, reset_optimizer=reset_optimizer)
    return sum(counts)


def _bound(initializer: Initializer, layer: HiddenLayer) -> float:
    """Return the b of the uniform law on [-b, b], as torch's and the paper's initialisers do."""
    fan_in, fan_out = layer.incoming.in_features, layer.incoming.out_features
    if initializer == "default":
        return math.sqrt(1 / fan_in)
    if initializer == "lecun":
        return math.sqrt(3 / fan_in)
    if initializer == "kaiming":
        return _gain(layer.activation) * math.sqrt(3 / fan_in)
    return _gain(layer.activation) * math.sqrt(6 / (fan_in + fan_out))


def _gain(activation: nn.Module) -> float:
    """Return the gain of an activation; those without one of their own get that of ReLU."""
    if isinstance(activation, nn.LeakyReLU):
        return nn.init.calculate_gain("leaky_relu", activation.negative_slope)
    named = {nn.Tanh: "tanh", nn.Sigmoid: "sigmoid", nn.SELU: "selu", nn.Linear: "linear"}
    return nn.init.calculate_gain(cast(Any, named.get(type(activation), "relu")))
