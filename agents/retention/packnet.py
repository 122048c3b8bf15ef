"""PackNet: each task gets a share of the weights, and keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from ..backends import notify
from ..layers import Part
from .retention_method import RetentionMethod, is_policy
from .sub_networks import keep_largest, matrices, put_back, vectors
from .task import Task


@final
@dataclass(eq=False, repr=False)
class PackNet(RetentionMethod):
    """PackNet (Mallya and Lazebnik 2018), on a policy as in Wolczyk et al. (2021).

    "PackNet: adding multiple tasks to a single network by iterative pruning", CVPR 2018. While a
    task is learned all weights that belong to nobody move. When it ends, the smallest of them are
    pruned in each matrix, so that of `n_tasks` each gets an equal share; the others are trained on
    (`retrain_steps`), and are then its own and never move again. Earlier tasks' weights take part
    in later ones. Biases, norms and spreads are the first task's. In an earlier task all that came
    later is 0: its answers stay what they were, bit for bit, as far as heads are its own
    (`multi-head`) or shared and therefore managed as any matrix.

    Whatever an optimizer does, its memory and decay included: what must not move is put back after
    each step. A task that comes again finds its weights as they were, and changes none of them but
    its head. What comes after `n_tasks` has no free weights, and one line says so. Critics are left
    alone. PPO has nothing to train on between tasks, and does not retrain.

    Example:
        >>> PackNet(n_tasks=3).retrain_steps
        100000
    """

    name: ClassVar[str] = "packnet"
    brings: ClassVar[str | None] = "weights of tasks"

    n_tasks: int = 10
    """How many tasks share the weights, 1 or more (Continual World: the sequence's, 10 or 20)."""

    retrain_steps: int = 100_000
    """Gradient steps after pruning, 0 or more (Continual World: 1e5; COOM: 1e4)."""

    retrain_clip: float | None = None
    """Longest gradient of the policy while it retrains, more than 0, or none (paper: none;
    Continual World: 2e-5)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("n_tasks", self.n_tasks >= 1, "1 or more")
        self.require("retrain_steps", self.retrain_steps >= 0, "0 or more")
        fits = self.retrain_clip is None or self.retrain_clip > 0
        self.require("retrain_clip", fits, "none, or more than 0")

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Begin with weights that belong to nobody."""
        self.policy = next(part for part in parts if is_policy(part))
        for place, parameter in enumerate(self.policy.parameters):
            zeros = torch.zeros_like(parameter, dtype=torch.int16)
            self.register_buffer(f"owner_{place}", zeros)
            self.register_buffer(f"packed_{place}", parameter.detach().clone())
            self.register_buffer(f"movable_{place}", zeros == 0)
            self.register_buffer(f"rest_{place}", torch.zeros_like(parameter).detach())
        self.register_buffer("ended", torch.zeros((), dtype=torch.long))
        self.register_buffer("retraining", torch.zeros((), dtype=torch.bool))

    def start_task(self, task: Task, previous: Task | None) -> None:
        """Let free weights move, and no others; none for a task that was packed already."""
        part = self.policy
        n_ended = int(self.get_buffer("ended"))
        comes_again = task.number < n_ended
        last_owner = task.number + 1 if comes_again else n_ended
        for place in matrices(part):
            owner = self._of("owner", place)
            self._of("movable", place).copy_((owner == 0) & (not comes_again))
            mine = (owner > 0) & (owner <= last_owner)
            self._of("rest", place).copy_(self._of("packed", place) * mine)
        for place in vectors(part):
            self._of("movable", place).fill_(n_ended == 0)
            self._of("rest", place).copy_(self._of("packed", place))
        self._put_back()
        if not comes_again and self.free_share() == 0:
            notify(
                f"packnet: no free weights are left for task {task.number}, as n_tasks is "
                f"{self.n_tasks}; only heads of its own can learn"
            )

    def end_task(self, task: Task) -> None:
        """Prune the task's weights, train on what is left, and pack it."""
        part, n_ended = self.policy, int(self.get_buffer("ended"))
        if task.number < n_ended:
            return
        share = 1 / max(self.n_tasks - n_ended, 1)
        for place in matrices(part):
            owner, parameter = self._of("owner", place), part.parameters[place]
            kept = keep_largest(parameter, owner == 0, share)
            owner[kept] = n_ended + 1
            self._of("movable", place).copy_(kept)
        self._put_back()
        if self.retrain_steps and task.can_train:
            self._forget_steps()
            self.get_buffer("retraining").fill_(True)
            task.train(self.retrain_steps)
            self.get_buffer("retraining").fill_(False)
            self._forget_steps()
        for place in (*matrices(part), *vectors(part)):
            moved = self._of("movable", place)
            packed = self._of("packed", place)
            packed.copy_(torch.where(moved, part.parameters[place], packed))
        self.get_buffer("ended").add_(1)

    def change_gradients(self, part: Part, gradients: Sequence[Tensor]) -> None:
        """Shorten the gradient while the policy retrains, if that is asked for."""
        if (
            part is not self.policy
            or self.retrain_clip is None
            or not self.get_buffer("retraining")
        ):
            return
        length = torch.linalg.vector_norm(torch.stack([g.norm() for g in gradients]))
        for gradient in gradients:
            gradient.mul_((self.retrain_clip / (length + 1e-12)).clamp(max=1))

    def after_step(self, part: Part) -> None:
        """Put back what must not move."""
        if part is self.policy:
            self._put_back()

    def parameters_for(
        self, part: Part, task: int, parameters: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        """Return the parameters without what was packed after the task."""
        if part is not self.policy or task >= int(self.get_buffer("ended")):
            return parameters
        found = list(parameters)
        for place in matrices(part):
            owner = self._of("owner", place)
            found[place] = self._of("packed", place) * ((owner > 0) & (owner <= task + 1))
        for place in vectors(part):
            found[place] = self._of("packed", place)
        return found

    def after_iteration(self) -> dict[str, float]:
        """Return which share of the weights belongs to nobody yet."""
        return {"continual/free_weights": self.free_share()}

    def free_share(self) -> float:
        """Return which share of the shared weight matrices belongs to nobody yet."""
        owners = [self._of("owner", place) for place in matrices(self.policy)]
        free = sum(int((owner == 0).sum()) for owner in owners)
        return free / max(sum(owner.numel() for owner in owners), 1)

    def _of(self, kind: str, place: int) -> Tensor:
        return self.get_buffer(f"{kind}_{place}")

    def _put_back(self) -> None:
        places = (*matrices(self.policy), *vectors(self.policy))
        put_back(
            [self.policy.parameters[place] for place in places],
            [self._of("movable", place) for place in places],
            [self._of("rest", place) for place in places],
        )

    def _forget_steps(self) -> None:
        for parameter in self.policy.parameters:
            self.policy.reset_optimizer(parameter, ...)
