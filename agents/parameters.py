"""An agent's parameters and what Adam knows of them, each in one flat tensor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .adam import WEIGHTS
from .flat_adam import MOMENTS, steps_flat


@final
class FlatParameters:
    """Flat tensors, of which the modules' parameters and the optimizer's state are views.

    One operation on a flat tensor does what else takes one for each parameter. Whoever reads or
    writes a parameter in place, saves the module or the optimizer, or calls `predict` sees no
    difference. Where somebody puts another tensor in place of a view, as `load_state_dict` of an
    optimizer does, `adopt` takes its content over.

    Args:
        parameters: of one type, on one device, and all that the optimizer has.
        optimizer: of any kind. Where it does not `steps_flat`, it keeps its memory itself, and
            makes its own steps with the parameters' `grad`, which are views of `gradient`.
        elementwise: whether single elements of the optimizer's memory may be reset; then each has
            its own bias correction.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> flat = FlatParameters(list(layer.parameters()), torch.optim.Adam(layer.parameters()))
        >>> flat.values.zero_()
        tensor([0., 0., 0.])
        >>> layer.weight
        Parameter containing:
        tensor([[0., 0.]], requires_grad=True)
    """

    def __init__(
        self, parameters: Sequence[nn.Parameter], optimizer: Optimizer, elementwise: bool = False
    ) -> None:
        self.parameters = tuple(parameters)
        self.optimizer = optimizer
        self.sizes = [parameter.numel() for parameter in self.parameters]
        self.shapes = [parameter.shape for parameter in self.parameters]
        self.values = torch.cat([parameter.detach().reshape(-1) for parameter in self.parameters])
        self.views = self.split(self.values)
        self.gradient = torch.zeros_like(self.values)
        self.fused = steps_flat(optimizer, self.parameters)
        """Whether Adam's step over the flat tensors stands in for the optimizer's own."""
        names = (*MOMENTS, *(WEIGHTS if elementwise else ())) if self.fused else ()
        self.memory = {name: torch.zeros_like(self.values) for name in names}
        self.steps = 0
        """Steps that Adam has made."""
        self.adopt()

    def split(self, flat: Tensor) -> list[Tensor]:
        """Return views of a flat tensor in the parameters' shapes.

        Args:
            flat: of as many elements as all parameters together.
        """
        pieces = flat.split(self.sizes)
        return [piece.view(shape) for piece, shape in zip(pieces, self.shapes, strict=True)]

    def join(self, pieces: Iterable[Tensor]) -> Tensor:
        """Return one flat tensor of tensors in the parameters' shapes.

        Args:
            pieces: one for each parameter.
        """
        return torch.cat([piece.reshape(-1) for piece in pieces])

    @torch.no_grad()
    def adopt(self) -> None:
        """Take over what others put in place of the views."""
        for parameter, view in zip(self.parameters, self.views, strict=True):
            if parameter.data_ptr() != view.data_ptr():
                view.copy_(parameter)
                parameter.data = view
        if self.fused:
            self._adopt_memory()
        else:
            self.expose_gradient()

    def _adopt_memory(self) -> None:
        state = self.optimizer.state
        known = state.get(self.parameters[0], {})
        self.steps = int(known["step"]) if known else 0
        betas = self.optimizer.param_groups[0]["betas"]
        for name, flat in self.memory.items():
            # Before its first step Adam has no memory, and before a reset no weights.
            fresh = 1 - betas[WEIGHTS.index(name)] ** self.steps if name in WEIGHTS else 0.0
            for parameter, view in zip(self.parameters, self.split(flat), strict=True):
                kept = state[parameter].get(name)
                if kept is None:
                    view.fill_(fresh)
                elif kept.data_ptr() != view.data_ptr():
                    view.copy_(kept)
                state[parameter][name] = view
        self.count(0)

    def count(self, steps: int) -> None:
        """Let Adam know of steps that were made for it.

        Args:
            steps: how many more.
        """
        if not self.fused:
            return
        self.steps += steps
        for parameter in self.parameters:
            self.optimizer.state[parameter]["step"] = torch.tensor(float(self.steps))

    def expose_gradient(self) -> None:
        """Make each parameter's `grad` a view of `gradient`."""
        for parameter, view in zip(self.parameters, self.split(self.gradient), strict=True):
            parameter.grad = view
