"""An agent's parameters and what Adam knows of them, each in one flat tensor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .adam import CORRECTIONS, Adam
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
        elementwise: whether single elements of the optimizer's memory may be reset; from the first
            reset on each has its own bias correction.

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
        self.elementwise = elementwise and self.fused
        self.memory: dict[str, Tensor] = {}
        """What Adam knows; each element's own bias corrections too, once there was a reset."""
        self.steps = 0
        """Steps that Adam has made."""
        self.adopt()
        if isinstance(optimizer, Adam):
            optimizer.before_reset = self._prepare_reset
        else:
            # It does not tell of a reset.
            self.hold_corrections()

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

    @property
    def held(self) -> bool:
        """Whether values and Adam's memory are still the views, as far as the first shows."""
        first = self.parameters[0]
        kept = self.optimizer.state.get(first, {}).get(MOMENTS[0]) if self.fused else None
        if kept is None or kept.data_ptr() != self.memory[MOMENTS[0]].data_ptr():
            return False
        return first.data_ptr() == self.values.data_ptr()

    @property
    def holds_corrections(self) -> bool:
        """Whether each element has a bias correction of its own."""
        return CORRECTIONS[0] in self.memory

    def hold_corrections(self) -> None:
        """Give each element a bias correction of its own, if single ones may be reset."""
        if self.elementwise and not self.holds_corrections:
            for name in CORRECTIONS:
                self._take_over(name)

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
        if not known and isinstance(self.optimizer, Adam):
            # It has forgotten its resets, too: who begins here has never heard of them.
            for name in CORRECTIONS:
                self.memory.pop(name, None)
        resets = self.elementwise and any(CORRECTIONS[0] in state[each] for each in self.parameters)
        for name in dict.fromkeys((*MOMENTS, *self.memory, *(CORRECTIONS if resets else ()))):
            self._take_over(name)
        self.count()

    def _take_over(self, name: str) -> None:
        """Have something that Adam knows of each parameter in one flat tensor."""
        state, group = self.optimizer.state, self.optimizer.param_groups[0]
        if name not in self.memory:
            self.memory[name] = torch.zeros_like(self.values)
        # Before its first step Adam has no memory, and before a reset no corrections.
        fresh = (
            1 - group["betas"][CORRECTIONS.index(name)] ** self.steps
            if name in CORRECTIONS
            else 0.0
        )
        for parameter, view in zip(self.parameters, self.split(self.memory[name]), strict=True):
            kept = state[parameter].get(name)
            if kept is None:
                view.fill_(fresh)
            elif kept.data_ptr() != view.data_ptr():
                view.copy_(kept)
            state[parameter][name] = view

    def _prepare_reset(self) -> None:
        if not self.held:
            self.adopt()
        self.hold_corrections()

    def count(self) -> None:
        """Let Adam know how many steps were made for it."""
        for parameter in self.parameters if self.fused else ():
            self.optimizer.state[parameter]["step"] = torch.tensor(float(self.steps))

    def expose_gradient(self) -> None:
        """Make each parameter's `grad` a view of `gradient`."""
        for parameter, view in zip(self.parameters, self.split(self.gradient), strict=True):
            parameter.grad = view
