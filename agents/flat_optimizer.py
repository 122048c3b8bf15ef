"""Optimizers that do with one operation on a flat tensor what else takes one for each parameter."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.adam import adam as step_adam

from .adam import CORRECTIONS
from .flat_adam import MOMENTS, AdamSettings


class FlatOptimizer(Optimizer):
    """An optimizer of one group of parameters, whose state lies in flat tensors: abstract base.

    The state of each parameter is of its shape, as everywhere in torch, and a view of a flat
    tensor. What is saved and loaded, and what others see, does not differ.

    Args:
        params: the parameters.
        lr: the learning rate.
        adam: how Adam's direction is computed, or None where it is not wanted.
        weight_decay: decoupled.
        memory: names of what is remembered of each element besides Adam's moments.
        **group: further numbers of the group, saved with it.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        adam: AdamSettings | None,
        weight_decay: float,
        memory: Sequence[str] = (),
        **group: Any,
    ) -> None:
        super().__init__(params, {"lr": lr, "steps": 0, **group})
        self.flat: dict[str, Tensor] = {}
        """What is remembered of all elements, by name."""
        self.moving: list[nn.Parameter] = []
        """The parameters that had a gradient in the last step, in the order of the elements."""
        self.pieces: dict[str, list[Tensor]] = {}
        """The same in the shapes of the moving parameters; also "gradient" and "direction"."""
        self._gradient = self._direction = torch.empty(0)
        self._adam = adam
        self._weight_decay = weight_decay
        self._names = (*memory, *(MOMENTS if adam is not None else ()))

    @abstractmethod
    def change(self, gradient: Tensor, direction: Tensor) -> None:
        """Make of a direction what is taken from the elements, times the learning rate.

        Args:
            gradient: of all elements, in one flat tensor; may be overwritten.
            direction: Adam's if it is wanted, else the gradient; changed in place.
        """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make one step for every parameter that has a gradient.

        Args:
            closure: computes the loss and the gradients anew, if given.

        Returns:
            What the closure returned.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        (group,) = self.param_groups
        moving = [parameter for parameter in group["params"] if parameter.grad is not None]
        if not moving:
            return loss
        self._adopt(moving)
        group["steps"] += 1
        torch._foreach_copy_(self.pieces["gradient"], [parameter.grad for parameter in moving])
        if self._adam is not None:
            self._direct(self._adam, group["steps"])
        self.change(self._gradient, self._direction)
        if self._weight_decay != 0:
            torch._foreach_mul_(moving, 1 - group["lr"] * self._weight_decay)
        torch._foreach_add_(moving, self.pieces["direction"], alpha=-group["lr"])
        return loss

    @torch.no_grad()
    def reset(self, parameter: Tensor, index: Any) -> None:
        """Make some elements as new: nothing is remembered, and no steps were made.

        Args:
            parameter: one of the parameters.
            index: which elements, as in `parameter[index]`.
        """
        if not self.state.get(parameter):
            return
        (group,) = self.param_groups
        # The state may have been loaded since the last step.
        self._adopt([member for member in group["params"] if self.state.get(member)])
        if self._adam is not None and CORRECTIONS[0] not in self.flat:
            # From now on each element has a bias correction of its own.
            for name, reached in self._reached().items():
                self._hold(name, [reached] * len(self.moving))
        for value in self.state[parameter].values():
            value[index] = 0

    def _split(self, flat: Tensor) -> list[Tensor]:
        """Return views of a flat tensor in the shapes of the moving parameters."""
        pieces = flat.split([parameter.numel() for parameter in self.moving])
        return [piece.view(p.shape) for piece, p in zip(pieces, self.moving, strict=True)]

    def _direct(self, adam: AdamSettings, steps: int) -> None:
        """Take the gradient into Adam's averages, and set the direction."""
        if CORRECTIONS[0] in self.flat:
            corrections = [1 - beta**steps for beta in adam.betas]
            self._direction.copy_(adam.direction(self.flat, self._gradient, corrections))
            return
        mean, square = (self.flat[name] for name in MOMENTS)
        # A step of length -1 from 0 is the direction. torch's own is one pass over the elements,
        # where ours, which can be compiled into an update, takes seven.
        step_adam(
            [self._direction.zero_()],
            [self._gradient],
            [mean],
            [square],
            [],
            [torch.tensor(steps - 1, dtype=torch.float32, device=self._gradient.device)],
            fused=True,
            amsgrad=False,
            beta1=adam.betas[0],
            beta2=adam.betas[1],
            lr=-1.0,
            weight_decay=0.0,
            eps=adam.eps,
            maximize=False,
        )

    def _adopt(self, moving: list[nn.Parameter]) -> None:
        """Take the state over where it is not in the flat tensors yet, or no longer."""
        first = self._names[0]
        held = self.state[moving[0]].get(first)
        same = [id(parameter) for parameter in moving] == [id(known) for known in self.moving]
        if same and held is not None and held.data_ptr() == self.flat[first].data_ptr():
            return
        self.moving = moving
        self.flat.clear()
        self.pieces.clear()
        self._gradient = torch.cat([torch.zeros_like(each).reshape(-1) for each in moving])
        self._direction = self._gradient if self._adam is None else self._gradient.clone()
        self.pieces["gradient"] = self._split(self._gradient)
        self.pieces["direction"] = self._split(self._direction)
        begun = [bool(self.state[parameter]) for parameter in moving]
        reset = any(CORRECTIONS[0] in self.state[parameter] for parameter in moving)
        fresh = dict.fromkeys(self._names, 0.0) | (self._reached() if reset else {})
        for name, reached in fresh.items():
            missing = [reached if known else 0.0 for known in begun]
            states = [self.state[parameter] for parameter in moving]
            self._hold(name, [s.get(name, m) for s, m in zip(states, missing, strict=True)])

    def _reached(self) -> dict[str, float]:
        """Return the bias corrections of Adam's averages where no element was reset."""
        assert self._adam is not None
        steps = self.param_groups[0]["steps"]
        return {
            name: 1 - beta**steps for name, beta in zip(CORRECTIONS, self._adam.betas, strict=True)
        }

    def _hold(self, name: str, values: Sequence[Tensor | float]) -> None:
        """Have something of each parameter in one flat tensor."""
        full = [
            torch.zeros_like(parameter).copy_(value)
            if isinstance(value, Tensor)
            else torch.full_like(parameter, value)
            for parameter, value in zip(self.moving, values, strict=True)
        ]
        self.flat[name] = torch.cat([piece.reshape(-1) for piece in full])
        self.pieces[name] = self._split(self.flat[name])
        for parameter, view in zip(self.moving, self.pieces[name], strict=True):
            self.state[parameter][name] = view
