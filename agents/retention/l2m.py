"""L2M: a frozen network, and a pool of low-rank adapters that observations choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor

from ..layers import Part
from .low_rank import adapted, adapter_gradient, draw_adapters, step_adapters
from .retention_method import RetentionMethod, is_policy
from .sub_networks import matrices, vectors
from .task import Task


@final
@dataclass(eq=False, repr=False)
class L2M(RetentionMethod):
    """Learning to modulate (Schmied et al. 2023), at the scale of a policy's own network.

    "Learning to modulate pre-trained models in RL", NeurIPS 2023; after L2P (Wang et al. 2022). The
    network is frozen as in `tail`. There is a pool of low-rank adapters, each with a key. What is
    observed, on average over a batch, is the query: the adapter whose key has the largest cosine
    similarity is added to the network and trained, and its key is pulled towards the query. Keys
    that earlier tasks have chosen often are less likely to be chosen in a new one.

    There the network is a decision transformer and the query is a mean of its embeddings; here it
    is an MLP, and the query is the mean observation of the last training batch, in units in which
    the first task's observations have mean 0 and deviation 1. In a task that has ended the policy
    acts with the adapter that was chosen last in it. Nothing else keeps tasks apart: two of them
    that choose the same adapter change each other's answers.

    Example:
        >>> L2M(pool_size=10).rank
        8
    """

    name: ClassVar[str] = "l2m"
    brings: ClassVar[str | None] = "weights of tasks"

    pool_size: int = 30
    """Adapters in the pool, 1 or more (paper: 30)."""

    rank: int = 8
    """Rank of the adapters, 1 or more (paper: 8)."""

    pull: float = 0.5
    """Weight of the similarity of query and chosen key, 0 or more (paper: 0.5)."""

    count_penalty: bool = True
    """Whether keys that earlier tasks have chosen are less likely (paper: they are)."""

    pretrained: bool = False
    """Whether the network is frozen from the first task on (paper: it is; ours: not)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("pool_size", self.pool_size >= 1, "1 or more")
        self.require("rank", self.rank >= 1, "1 or more")
        self.require("pull", self.pull >= 0, "0 or more")

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Draw keys uniformly from -1 to 1; adapters are drawn when the network is frozen."""
        self.generator = torch.Generator().manual_seed(seed)
        self.policy = next(part for part in parts if is_policy(part))
        first = self.policy.hidden[0].incoming if self.policy.hidden else self.policy.output[0]
        keys = torch.rand(self.pool_size, first.in_features, generator=self.generator) * 2 - 1
        self.register_buffer("keys", keys)
        self.register_buffer("shift", torch.zeros(first.in_features))
        self.register_buffer("scale", torch.ones(first.in_features))
        self.register_buffer("counts", torch.zeros(self.pool_size))
        self.register_buffer("counts_now", torch.zeros(self.pool_size))
        for place, parameter in enumerate(self.policy.parameters):
            self.register_buffer(f"base_{place}", parameter.detach().clone())
        for name in ("pool", "mean", "square"):
            self.register_buffer(name, torch.zeros(0))
        self.register_buffer("steps", torch.zeros(self.pool_size, dtype=torch.long))
        self.register_buffer("chosen", torch.tensor(-1))
        self.register_buffer("present", torch.tensor(0))
        self.register_buffer("frozen", torch.tensor(False))

    def start_task(self, task: Task, previous: Task | None) -> None:
        """Count what earlier tasks have chosen, and choose anew."""
        self.get_buffer("present").fill_(task.number)
        if self.pretrained and not bool(self.get_buffer("frozen")):
            self._freeze()
        self.get_buffer("counts").add_(self.get_buffer("counts_now"))
        self.get_buffer("counts_now").zero_()
        known = self._buffers.get(f"task_{task.number}")
        self.get_buffer("chosen").fill_(-1 if known is None else int(known))
        for name in ("mean", "square", "steps"):
            self.get_buffer(name).zero_()
        self._show()

    def end_task(self, task: Task) -> None:
        """Keep which adapter the task has chosen; after the first task freeze the network."""
        if not bool(self.get_buffer("frozen")):
            seen = task.sample(1000, self.generator).observations
            self.get_buffer("shift").copy_(seen.mean(dim=0))
            deviation = seen.std(dim=0)
            self.get_buffer("scale").copy_(torch.where(deviation > 1e-6, deviation, 1.0))
            self._freeze()
        self.register_buffer(f"task_{task.number}", self.get_buffer("chosen").clone())

    def select(self, observations: Tensor) -> int:
        """Return which adapter a batch of observations chooses.

        Args:
            observations: of shape (batch, inputs).
        """
        query = self._query(observations)
        distances = 1 - F.cosine_similarity(self.get_buffer("keys"), query.unsqueeze(0))
        counts = self.get_buffer("counts")
        if self.count_penalty and counts.sum() > 0:
            # L2P weighs distances with how often keys were chosen; 1 keeps those of unused keys.
            distances = distances * (1 + self.pool_size * counts / counts.sum())
        return int(distances.argmin())

    def change_gradients(self, part: Part, gradients: Sequence[Tensor]) -> None:
        """Train the chosen adapter in place of the weights."""
        chosen = int(self.get_buffer("chosen"))
        if part is not self.policy or chosen < 0 or not bool(self.get_buffer("frozen")):
            return
        own = [gradients[place] for place in matrices(part)]
        adapter = self.get_buffer("pool")[chosen]
        gradient = adapter_gradient(adapter, own, self.rank)
        memory = [self.get_buffer("mean")[chosen], self.get_buffer("square")[chosen]]
        steps = self.get_buffer("steps")
        steps[chosen] += 1
        rate = float(part.optimizer.param_groups[0]["lr"])
        step_adapters(adapter, memory, gradient, rate, int(steps[chosen]))

    def after_step(self, part: Part) -> None:
        """Pull the chosen key, choose by what was just learned from, and show the adapter."""
        if part is not self.policy or not bool(self.get_buffer("frozen")):
            return
        observations = part.recall()
        known = f"task_{int(self.get_buffer('present'))}" in self._buffers
        if not known:
            self.get_buffer("chosen").fill_(self.select(observations))
        chosen = int(self.get_buffer("chosen"))
        if chosen >= 0:
            self.get_buffer("counts_now")[chosen] += 1
            key = self.get_buffer("keys")[chosen]
            rate = float(part.optimizer.param_groups[0]["lr"])
            key.add_(similarity_gradient(key, self._query(observations)), alpha=rate * self.pull)
        self._show()

    def parameters_for(
        self, part: Part, task: int, parameters: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        """Return the frozen network with the adapter that the task chose."""
        kept = self._buffers.get(f"task_{task}")
        if part is not self.policy or kept is None or task == int(self.get_buffer("present")):
            return parameters
        return self._with(int(kept), parameters)

    def after_iteration(self) -> dict[str, float]:
        """Return which adapter is chosen, and how many have been."""
        counts = self.get_buffer("counts") + self.get_buffer("counts_now")
        chosen = float(self.get_buffer("chosen"))
        return {"continual/adapter": chosen, "continual/adapters": float((counts > 0).sum())}

    def _query(self, observations: Tensor) -> Tensor:
        mean = observations.mean(dim=0)
        return (mean - self.get_buffer("shift")) / self.get_buffer("scale")

    def _freeze(self) -> None:
        for place, parameter in enumerate(self.policy.parameters):
            self.get_buffer(f"base_{place}").copy_(parameter)
        shapes = [self.policy.parameters[place].shape for place in matrices(self.policy)]
        drawn = [draw_adapters(shapes, self.rank, self.generator) for _ in range(self.pool_size)]
        self.pool = torch.stack(drawn).to(self.policy.parameters[0])
        self.mean, self.square = torch.zeros_like(self.pool), torch.zeros_like(self.pool)
        self.get_buffer("frozen").fill_(True)

    def _with(self, chosen: int, parameters: Sequence[Tensor]) -> list[Tensor]:
        part, found = self.policy, list(parameters)
        base = [self.get_buffer(f"base_{place}") for place in matrices(part)]
        if chosen >= 0:
            base = adapted(self.get_buffer("pool")[chosen], base, self.rank)
        for place, weight in zip(matrices(part), base, strict=True):
            found[place] = weight
        for place in vectors(part):
            found[place] = self.get_buffer(f"base_{place}")
        return found

    def _show(self) -> None:
        if not bool(self.get_buffer("frozen")):
            return
        parameters = self.policy.parameters
        shown = self._with(int(self.get_buffer("chosen")), parameters)
        for parameter, value in zip(parameters, shown, strict=True):
            if value is not parameter:
                parameter.copy_(value)


def similarity_gradient(key: Tensor, query: Tensor) -> Tensor:
    """Return the gradient of the cosine similarity of a key and a query in the key.

    Args:
        key: of shape (inputs,).
        query: of the same shape.

    Example:
        >>> similarity_gradient(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 3.0]))
        tensor([0., 1.])
    """
    length = key.norm().clamp(min=1e-8)
    direction, wanted = key / length, query / query.norm().clamp(min=1e-8)
    return (wanted - torch.dot(direction, wanted) * direction) / length
