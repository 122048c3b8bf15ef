"""Experts: a returning task gets its old networks back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import torch
from torch import Tensor, nn

from ...wrappers.errors import SettingsError
from ...wrappers.info import DETECTED
from ..detection import Detector, LossDeviation, Usual, select_expert, usual_of
from ..layers import Part
from .watching import Watching, Window


class Expert(NamedTuple):
    """What is kept of an expert while another one is active.

    Attributes:
        networks: parameters of all parts and of their targets, flat.
        model: the state of its model of the world, flat.
        usual: what its errors of dynamics and reward were.
    """

    networks: Tensor
    model: Tensor
    usual: tuple[Usual, Usual]


@final
@dataclass(eq=False, repr=False)
class Experts(Watching):
    """Experts with a selector, without labels of tasks (TAME, Zhu et al. 2022, arXiv 2210.03869).

    Each expert is a copy of all networks of the agent, with a model of the world (see `Watching`)
    that tells whose world this is. At an alarm the models of all experts are tried on the newest
    `every_steps` steps. One whose errors are usual for it takes over with its networks, as it
    left them; where there is none, a new expert begins as a copy of the active one (ours; the
    authors, of whom no code is known to us, learn supervised tasks). The optimizer begins anew in
    both cases. When there are `most` experts, the active one learns on instead of a new one.

    An alarm calls `on_change` of all methods, as `change-detection` does, which is not needed
    beside it. Changes that the stream tells of switch nothing. SAC's replay buffer is shared by
    all experts, and keeps what was lived in other worlds.

    Example:
        >>> Experts(most=0)
        Traceback (most recent call last):
        ...
        everlearn.wrappers.errors.SettingsError: experts setting 'most' must be 1 or more, not 0
    """

    name: ClassVar[str] = "experts"

    most: int = 8
    """How many experts there may be, 1 or more (ours)."""

    acceptance: float = 5.0
    """Deviations by which an expert's error may be too high, more than 0 (ours)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("most", self.most >= 1, "1 or more")
        self.require("acceptance", self.acceptance > 0, "more than 0")

    def make_detector(self) -> Detector:
        """Return TAME's test."""
        settings: dict[str, Any] = {} if self.threshold is None else {"threshold": self.threshold}
        return LossDeviation(window=self.window, least_deviation=self.least_deviation, **settings)

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Begin with one expert.

        Raises:
            SettingsError: there are no networks, or the worlds' spaces can't be used.
        """
        super().attach(parts, seed)
        if self.spaces is not None and not parts:
            raise SettingsError("experts only works with an agent of everlearn")
        self.parts = tuple(parts)
        self.store = _Store()
        self._chosen: int | None = None

    def on_alarm(self, window: Window) -> None:
        """Choose the expert whose world this is, or a new one."""
        usual = [
            usual_of(s.values, s.seen, self.window, self.least_deviation) for s in window.states
        ]
        own = tuple(Usual(*(known or (0.0, 0.0))) for known in usual)
        store = self.store
        store.put(Expert(self._networks(), _flatten(self._model_tensors()), (own[0], own[1])))
        excesses = [[self._excess(expert, window.rows)] for expert in store.experts]
        self._load_model(store.experts[store.active])
        chosen = select_expert(excesses, [Usual(0.0, 1.0)] * len(excesses), self.acceptance)
        if chosen is None and len(store.experts) < self.most:
            chosen = len(store.experts)
        self._chosen = store.active if chosen is None else chosen

    def on_change(self, info: Mapping[str, Any]) -> None:
        """Let the chosen expert take over, where the change was noticed; begin to look anew."""
        super().on_change(info)
        if not info.get(DETECTED) or self._chosen is None:
            return
        chosen, self._chosen = self._chosen, None
        if chosen == self.store.active:
            return
        self.store.active = chosen
        if chosen < len(self.store.experts):
            self._load_model(self.store.experts[chosen])
            self._load_networks(self.store.experts[chosen])
        for part in self.parts:
            for parameter in part.parameters:
                part.reset_optimizer(parameter, ...)

    def after_iteration(self) -> dict[str, float]:
        """Return what was noticed, which expert is active, and how many there are."""
        told = super().after_iteration()
        if not told:
            return {}
        # The active one is not in the store before it was left for the first time.
        number = max(len(self.store.experts), self.store.active + 1)
        return {
            **told,
            "experts/active": float(self.store.active),
            "experts/number": float(number),
        }

    def _excess(self, expert: Expert, rows: Tensor) -> float:
        """Return by how many deviations an expert's model is worse than usual."""
        self._load_model(expert)
        pairs = zip(self.measure(rows).tolist(), expert.usual, strict=True)
        return max(
            (value - mean) / max(deviation, 1e-6 * abs(mean) + 1e-12)
            for value, (mean, deviation) in pairs
        )

    def _model_tensors(self) -> list[Tensor]:
        return list(self.model.state_dict().values())

    def _network_tensors(self) -> Iterator[Tensor]:
        for part in self.parts:
            yield from part.parameters
            yield from part.target

    def _networks(self) -> Tensor:
        return _flatten(self._network_tensors())

    @torch.no_grad()
    def _load_model(self, expert: Expert) -> None:
        _unflatten(expert.model, self._model_tensors())

    @torch.no_grad()
    def _load_networks(self, expert: Expert) -> None:
        _unflatten(expert.networks, self._network_tensors())


def _flatten(tensors: Any) -> Tensor:
    """Return copies of tensors as one, in double precision: whatever they hold is held exactly."""
    return torch.cat([tensor.detach().double().flatten().cpu() for tensor in tensors])


def _unflatten(flat: Tensor, tensors: Any) -> None:
    """Fill tensors with what `_flatten` made of others of their shapes."""
    place = 0
    for tensor in tensors:
        piece = flat[place : place + tensor.numel()]
        tensor.copy_(piece.view(tensor.shape))
        place += tensor.numel()


@final
class _Store(nn.Module):
    """All experts as they were left last, and which one is active; saved as one tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.experts: list[Expert] = []
        self.active = 0

    def put(self, expert: Expert) -> None:
        """Keep the active expert."""
        self.experts[self.active : self.active + 1] = [expert]

    def get_extra_state(self) -> Tensor:
        """Return all of it as one tensor."""
        sizes = [len(flat) for flat in self.experts[0][:2]] if self.experts else [0, 0]
        head = torch.tensor([self.active, len(self.experts), *sizes], dtype=torch.float64)
        pieces = [head]
        for networks, model, usual in self.experts:
            numbers = torch.tensor(usual, dtype=torch.float64).flatten()
            pieces += [networks, model, numbers]
        return torch.cat(pieces)

    def set_extra_state(self, state: Tensor) -> None:
        """Bring all of it back."""
        active, number, *sizes = (int(value) for value in state[:4].tolist())
        self.active, self.experts, rest = active, [], state[4:].cpu()
        for _ in range(number):
            networks, model, usual, rest = rest.split([*sizes, 4, len(rest) - sum(sizes) - 4])
            first, second = (Usual(*pair) for pair in usual.view(2, 2).tolist())
            self.experts.append(Expert(networks.clone(), model.clone(), (first, second)))
