"""Multi-head: each task has output layers of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from ..layers import Part
from .retention_method import RetentionMethod
from .task import Task


@final
@dataclass(eq=False, repr=False)
class MultiHead(RetentionMethod):
    """Output layers for each task over a trunk that all share.

    As all methods of Wolczyk et al., "Continual World" (NeurIPS 2021) have them, in actor and
    critics; alone it is their fine-tuning, and beside it other methods hold the trunk. The network
    has the present task's heads; those of others lie with the method. A new task's heads are drawn
    by the network's own law. PPO's standard deviation counts as a head. Target networks' heads
    begin as copies of their critics'.

    Example:
        >>> MultiHead()
        MultiHead(critics=True)
    """

    name: ClassVar[str] = "multi-head"

    critics: bool = True
    """Whether critics have heads for each task too (Wolczyk et al. 2021: they have)."""

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Say which parameters are the tasks' own."""
        self.generator = torch.Generator().manual_seed(seed)
        self.parts = tuple(part for part in parts if self.critics or part is parts[0])
        for part in self.parts:
            part.by_task = head_places(part)
        self.register_buffer("present", torch.zeros((), dtype=torch.long))

    def start_task(self, task: Task, previous: Task | None) -> None:
        """Keep the last task's heads, and put in the task's own, or fresh ones where it is new."""
        seed = int(torch.randint(2**62, (), generator=self.generator))
        if previous is None:
            return
        # Not where the task ended: other methods may have trained on after that.
        for part in self.parts:
            for kind, parameters in _networks(part):
                own = [parameters[place].detach().reshape(-1) for place in part.by_task]
                self.register_buffer(_name(part, previous.number, kind), torch.cat(own))
        for part in self.parts:
            fresh = None if part.fresh is None else part.fresh(seed)
            for kind, parameters in _networks(part):
                known = self._buffers.get(_name(part, task.number, kind))
                if known is not None:
                    heads = _pieces(known, part)
                elif fresh is not None:
                    heads = [fresh[place] for place in part.by_task]
                else:
                    continue
                for place, head in zip(part.by_task, heads, strict=True):
                    parameters[place].copy_(head)
        self.get_buffer("present").fill_(task.number)

    def parameters_for(
        self, part: Part, task: int, parameters: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        """Return the parameters with the task's heads."""
        name = _name(part, task, "own")
        if task == int(self.get_buffer("present")) or name not in self._buffers:
            return parameters
        found = list(parameters)
        for place, head in zip(part.by_task, _pieces(self.get_buffer(name), part), strict=True):
            found[place] = head
        return found


def head_places(part: Part) -> tuple[int, ...]:
    """Return the places of a network's output layers, and of its spread.

    Args:
        part: the network.
    """
    modules = [parameter for module in part.output for parameter in module.parameters()]
    return part.places([*modules, part.spread])


def _name(part: Part, task: int, kind: str) -> str:
    return f"{part.name}_{kind}_{task}"


def _networks(part: Part) -> list[tuple[str, Sequence[Tensor]]]:
    return [("own", part.parameters), *([("target", part.target)] if part.target else [])]


def _pieces(saved: Tensor, part: Part) -> list[Tensor]:
    own = [part.parameters[place] for place in part.by_task]
    pieces = saved.split([parameter.numel() for parameter in own])
    return [piece.view(parameter.shape) for piece, parameter in zip(pieces, own, strict=True)]
