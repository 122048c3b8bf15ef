"""What all methods that renew whole parameters have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from ..layers import Part

TargetTreatment = Literal["copy", "independent", "keep"]
"""What happens to a target network when its network is renewed.

"copy" makes it equal to the network; "independent" mixes it with fresh weights of its own, as the
published codes of DrM and ACE do; "keep" leaves it to Polyak averaging.
"""


def mix(
    part: Part,
    fresh: Sequence[Tensor],
    keep: float,
    target: TargetTreatment,
    target_fresh: Sequence[Tensor] = (),
    chosen: Sequence[int] | None = None,
) -> None:
    """Move parameters towards fresh ones: keep * old + (1 - keep) * fresh.

    The optimizer forgets all it knew of them.

    Args:
        part: the network.
        fresh: a tensor for each of its parameters.
        keep: the share that stays, from 0 to 1.
        target: what happens to the target network, if there is one.
        target_fresh: fresh tensors for it; for "independent" alone.
        chosen: positions of the parameters that are meant; None for all.

    Example:
        >>> import torch
        >>> layer = torch.nn.Linear(2, 1)
        >>> parameters = tuple(layer.parameters())
        >>> part = Part("actor", (), (layer,), parameters, torch.optim.SGD(parameters))
        >>> with torch.no_grad():
        ...     _ = layer.bias.fill_(1.0)
        ...     mix(part, [torch.zeros(1, 2), torch.zeros(1)], keep=0.25, target="keep")
        >>> layer.bias.item()
        0.25
    """
    for index in range(len(part.parameters)) if chosen is None else chosen:
        parameter = part.parameters[index]
        parameter.mul_(keep).add_(fresh[index], alpha=1 - keep)
        part.reset_optimizer(parameter, ...)
        if not part.target or target == "keep":
            continue
        if target == "copy":
            part.target[index].copy_(parameter)
        else:
            part.target[index].mul_(keep).add_(target_fresh[index], alpha=1 - keep)


def draw_fresh(part: Part, seed: int) -> Sequence[Tensor]:
    """Return what a network's parameters would be if it began anew.

    Args:
        part: the network.
        seed: of the draw.

    Raises:
        RuntimeError: the network stands alone, and nobody knows its law.
    """
    if part.fresh is None:
        raise RuntimeError(f"nobody has told how the {part.name} begins")
    return part.fresh(seed)
