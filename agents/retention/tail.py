"""TAIL: a frozen network, and a low-rank adapter for each task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from ..layers import Part
from .low_rank import adapted, adapter_gradient, draw_adapters, step_adapters
from .retention_method import RetentionMethod, is_policy
from .sub_networks import matrices, vectors
from .task import Task


@final
@dataclass(eq=False, repr=False)
class TAIL(RetentionMethod):
    """Task-specific adapters for imitation learning (Liu et al. 2024), with LoRA, in any agent.

    "TAIL: task-specific adapters for imitation learning with large pretrained models", ICLR 2024;
    Hu et al., "LoRA" (2022). The first task trains the whole policy, which is then frozen; or
    nothing does, where it was trained before (`pretrained`, with `SAC.load(..., methods=[...])`).
    Each later task trains an adapter alone: a product of two thin matrices that is added to each
    weight matrix, and is 0 at first. Nothing is forgotten, as no task changes what another uses:
    old answers stay what they were, bit for bit; heads are the tasks' own beside `multi-head`, and
    else are adapted as any matrix. Biases, norms and spreads are frozen with the network.

    Adapters have an Adam of their own, which steps as far as the optimizer's learning rate says.

    Example:
        >>> TAIL(rank=4)
        TAIL(rank=4, pretrained=False)
    """

    name: ClassVar[str] = "tail"
    brings: ClassVar[str | None] = "weights of tasks"

    rank: int = 8
    """Rank of the adapters, 1 or more (L2M: 8)."""

    pretrained: bool = False
    """Whether the network is frozen from the first task on (TAIL: it is; ours: not)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("rank", self.rank >= 1, "1 or more")

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Begin without adapters."""
        self.generator = torch.Generator().manual_seed(seed)
        self.policy = next(part for part in parts if is_policy(part))
        for place, parameter in enumerate(self.policy.parameters):
            self.register_buffer(f"base_{place}", parameter.detach().clone())
        for name in ("adapter", "mean", "square"):
            self.register_buffer(name, torch.zeros(0))
        for name in ("present", "steps"):
            self.register_buffer(name, torch.zeros((), dtype=torch.long))
        self.register_buffer("frozen", torch.zeros((), dtype=torch.bool))

    def start_task(self, task: Task, previous: Task | None) -> None:
        """Take the task's adapter, or a fresh one."""
        self.get_buffer("present").fill_(task.number)
        frozen = self.get_buffer("frozen")
        if self.pretrained and not frozen:
            self._freeze()
        if not frozen:
            return
        kept = self._buffers.get(f"adapter_{task.number}")
        self.adapter = self._draw() if kept is None else kept.clone()
        self.mean, self.square = torch.zeros_like(self.adapter), torch.zeros_like(self.adapter)
        self.get_buffer("steps").zero_()
        self._show()

    def end_task(self, task: Task) -> None:
        """Keep the task's adapter; after the first task freeze the network."""
        if not bool(self.get_buffer("frozen")):
            self._freeze()
            # A fresh one adds nothing, and can learn should the task come again.
            self.register_buffer(f"adapter_{task.number}", self._draw())
            return
        self.register_buffer(f"adapter_{task.number}", self.get_buffer("adapter").clone())

    def change_gradients(self, part: Part, gradients: Sequence[Tensor]) -> None:
        """Train the adapter in place of the weights."""
        adapter = self.get_buffer("adapter")
        if part is not self.policy or not len(adapter):
            return
        chosen = [gradients[place] for place in matrices(part)]
        gradient = adapter_gradient(adapter, chosen, self.rank)
        memory = [self.get_buffer("mean"), self.get_buffer("square")]
        step = int(self.get_buffer("steps").add_(1))
        rate = float(part.optimizer.param_groups[0]["lr"])
        step_adapters(adapter, memory, gradient, rate, step)

    def after_step(self, part: Part) -> None:
        """Put back what is frozen, with the adapter added."""
        if part is self.policy and len(self.get_buffer("adapter")):
            self._show()

    def parameters_for(
        self, part: Part, task: int, parameters: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        """Return the frozen network with the task's adapter."""
        kept = self._buffers.get(f"adapter_{task}")
        if part is not self.policy or kept is None or task == int(self.get_buffer("present")):
            return parameters
        found = list(parameters)
        for place, weight in zip(
            matrices(part), adapted(kept, self._base(), self.rank), strict=True
        ):
            found[place] = weight
        for place in vectors(part):
            found[place] = self.get_buffer(f"base_{place}")
        return found

    def after_iteration(self) -> dict[str, float]:
        """Return which share of the policy's parameters is trained."""
        count = sum(parameter.numel() for parameter in self.policy.parameters)
        adapter = len(self.get_buffer("adapter"))
        return {"continual/trained_share": adapter / count if adapter else 1.0}

    def _freeze(self) -> None:
        for place, parameter in enumerate(self.policy.parameters):
            self.get_buffer(f"base_{place}").copy_(parameter)
        self.get_buffer("frozen").fill_(True)

    def _draw(self) -> Tensor:
        base = self._base()
        drawn = draw_adapters([weight.shape for weight in base], self.rank, self.generator)
        return drawn.to(base[0])

    def _base(self) -> list[Tensor]:
        return [self.get_buffer(f"base_{place}") for place in matrices(self.policy)]

    def _show(self) -> None:
        part = self.policy
        weights = adapted(self.get_buffer("adapter"), self._base(), self.rank)
        for place, weight in zip(matrices(part), weights, strict=True):
            part.parameters[place].copy_(weight)
        for place in vectors(part):
            part.parameters[place].copy_(self.get_buffer(f"base_{place}"))
