"""Resets: networks, or some of their layers, begin anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, final

from torch import nn

from ...wrappers.errors import SettingsError
from ..layers import Part
from .occasional import Occasional
from .renewal import TargetTreatment, draw_fresh, mix


@final
@dataclass(eq=False, repr=False)
class Resets(Occasional):
    """Resets (Nikishin et al., "The primacy bias in deep reinforcement learning", 2022).

    At each occasion the weights become what a new agent's would be, drawn by the network's own
    law, and the optimizer forgets them; what the agent has in its replay buffer makes it good
    again. PPO keeps no such memory, and forgets all that is reset. With `keep`, weights move only
    a part of the way (D'Oro et al. 2023 for an encoder: 0.8). Where SAC's whole actor is reset
    with `keep` 0, its entropy temperature begins anew too, as in the published code.

    Layers are counted from the output, which is the first; all outputs of a network count as
    one. What lies outside of these layers (a features extractor, PPO's standard deviation) is
    reset with the whole network only.

    Published occasions: SAC every 200,000 environment steps (Nikishin et al. 2022), every 2,560,000
    updates (D'Oro et al. 2023), or at 15,000, 50,000, 250,000, 500,000 and 750,000 environment
    steps (BRO, Nauman et al. 2024; their published code goes on at 1, 1.5 and 2 million).

    Example:
        >>> Resets(networks="critic", every_updates=100_000, every_steps=None).last_layers
        0
        >>> Resets(keep=1.5)
        Traceback (most recent call last):
        ...
        everlearn.wrappers.errors.SettingsError: resets setting 'keep' must be from 0 to 1, not 1.5
    """

    name: ClassVar[str] = "resets"

    every_steps: int | None = 200_000
    """Environment steps from one reset to the next, or none (Nikishin et al. 2022, SAC)."""

    networks: Literal["all", "actor", "critic"] = "all"
    """Which networks; "critic" means all critics (Nikishin et al. 2022, SAC: all)."""

    last_layers: int = 0
    """How many layers, counted from the output, or 0 for whole networks (SPR resets 1)."""

    keep: float = 0.0
    """Share of the old weights that stays, from 0 to 1 (Nikishin et al. 2022: 0)."""

    target: TargetTreatment = "copy"
    """What happens to SAC's target networks (Nikishin et al. 2022: they equal the critics)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("last_layers", self.last_layers >= 0, "0 or more")
        self.require("keep", 0 <= self.keep <= 1, "from 0 to 1")

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Begin to count.

        Raises:
            SettingsError: a network has fewer layers than are to be reset.
        """
        super().attach(parts, seed)
        for part in parts:
            n_layers = len(part.hidden) + 1
            if self.last_layers > n_layers:
                raise SettingsError(
                    f"resets setting 'last_layers' must be {n_layers} or less, as the {part.name} "
                    f"has {n_layers} layers, not {self.last_layers}"
                )

    def act(self) -> None:
        """Reset what is to be."""
        if self.keep == 1:
            return
        seeds = [self.draw_seed() for _ in range(2)]
        for part in self.parts:
            if self.networks != "all" and not part.name.startswith(self.networks):
                continue
            fresh = draw_fresh(part, seeds[0])
            other = draw_fresh(part, seeds[1]) if self.target == "independent" else ()
            chosen = choose_parameters(part, self.last_layers)
            mix(part, fresh, self.keep, self.target, other, chosen)
            if self.keep == 0 and self.last_layers == 0 and part.renew_temperature is not None:
                part.renew_temperature()


def choose_parameters(part: Part, last_layers: int) -> list[int]:
    """Return the positions of the parameters of a network's last layers.

    Args:
        part: the network.
        last_layers: how many, the output included; 0 for the whole network.

    Example:
        >>> from torch.optim import SGD
        >>> from everlearn.agents.layers import hidden_layers
        >>> body, head = nn.Sequential(nn.Linear(3, 8), nn.Tanh()), nn.Linear(8, 1)
        >>> parameters = tuple(nn.Sequential(body, head).parameters())
        >>> part = Part("a", hidden_layers(body, [head]), (head,), parameters, SGD(parameters))
        >>> choose_parameters(part, 1), choose_parameters(part, 2), choose_parameters(part, 0)
        ([2, 3], [0, 1, 2, 3], [0, 1, 2, 3])
    """
    if last_layers == 0:
        return list(range(len(part.parameters)))
    modules: list[nn.Module] = list(part.output)
    hidden = part.hidden[len(part.hidden) - last_layers + 1 :]
    for layer in hidden:
        modules += layer.modules
    meant = {id(parameter) for module in modules for parameter in module.parameters()}
    return [i for i, parameter in enumerate(part.parameters) if id(parameter) in meant]
