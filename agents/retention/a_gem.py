"""A-GEM: a step may not undo, on average, what was learned in earlier tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from ...wrappers.errors import SettingsError
from ..layers import Part
from .retention_method import RetentionMethod, is_policy
from .task import Examples, Task


@final
@dataclass(eq=False, repr=False)
class AGEM(RetentionMethod):
    """Averaged gradient episodic memory (Chaudhry et al. 2019).

    "Efficient lifelong learning with A-GEM", ICLR 2019. Some examples of each task are kept. At
    each step the gradient of the policy's loss on a batch of them is computed; where the step's own
    gradient points against it, it is projected onto what is orthogonal to it.

    In Wolczyk et al., "Continual World" (NeurIPS 2021) actor and critics are projected as one; here
    the actor alone is, at old observations and by the present critics. It forgets nearly as much as
    fine-tuning there (0.71 against 0.73), and is here to be compared with. With `multi-head` old
    examples are judged by the present head. PPO's own loss is about the present rollout: of old
    examples it asks for the likelihood of what was done.

    Example:
        >>> AGEM(batch_size=64).memory_size
        10000
    """

    name: ClassVar[str] = "a-gem"

    memory_size: int = 10_000
    """Examples kept of each task, 1 or more (Continual World: 10,000)."""

    batch_size: int = 128
    """Examples drawn for each step, 1 or more (Continual World: 128)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("memory_size", self.memory_size >= 1, "1 or more")
        self.require("batch_size", self.batch_size >= 1, "1 or more")

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Begin without a memory.

        Raises:
            SettingsError: the policy has no loss that can be asked for.
        """
        self.generator = torch.Generator().manual_seed(seed)
        self.policy = next(part for part in parts if is_policy(part))
        if self.policy.differentiate is None:
            raise SettingsError(
                "a-gem needs a learner that can be asked for its loss at old examples"
            )
        self.register_buffer("observations", torch.zeros(0))
        self.register_buffer("actions", torch.zeros(0))

    def end_task(self, task: Task) -> None:
        """Keep some of the task's examples."""
        found = task.sample(self.memory_size, self.generator)
        for name, new in found._asdict().items():
            known = self.get_buffer(name)
            joined = torch.cat([known, new]) if len(known) else new.clone()
            self.register_buffer(name, joined)

    def change_gradients(self, part: Part, gradients: Sequence[Tensor]) -> None:
        """Project the gradient, where it points against the memory's."""
        observations, actions = self.get_buffer("observations"), self.get_buffer("actions")
        if part is not self.policy or not len(observations):
            return
        rows = torch.randint(len(observations), (self.batch_size,), generator=self.generator)
        assert part.differentiate is not None
        reference = part.differentiate(Examples(observations[rows], actions[rows]))
        own = torch.cat([gradient.reshape(-1) for gradient in gradients])
        other = torch.cat([gradient.reshape(-1) for gradient in reference])
        projected = project(own, other).split([gradient.numel() for gradient in gradients])
        for gradient, piece in zip(gradients, projected, strict=True):
            gradient.copy_(piece.view(gradient.shape))


def project(gradient: Tensor, reference: Tensor) -> Tensor:
    """Return a gradient without what points against a reference.

    Chaudhry et al. (2019), equation 11: g - (g.r / r.r) r where g.r < 0, and else g.

    Args:
        gradient: flat.
        reference: flat, of as many elements.

    Example:
        >>> project(torch.tensor([1.0, -1.0]), torch.tensor([0.0, 2.0]))
        tensor([1., 0.])
        >>> project(torch.tensor([1.0, 1.0]), torch.tensor([0.0, 2.0]))
        tensor([1., 1.])
    """
    against = torch.dot(gradient, reference)
    if against >= 0:
        return gradient
    return gradient - against / torch.dot(reference, reference) * reference
