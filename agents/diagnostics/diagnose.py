"""What is measured of an agent, and how often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from ...wrappers.errors import SettingsError
from ..layers import Part, sequence_of
from . import measures
from .observation import borrowed, evaluation_mode, observe, sites
from .trainability import trainability

Losses = Sequence[tuple[Sequence[Part], Tensor]]
"""Losses, each with the parts that learn from it."""

PROBE_ROWS = 128
"""Most rows of the batch that a probe of trainability uses."""


@final
@dataclass(frozen=True)
class Diagnostics:
    """How often what is measured; iterations count from 1, and the first has everything.

    Example:
        >>> Diagnostics(layers_every=10).due(iteration=11)
        (True, False)
        >>> Diagnostics(layers_every=-1)
        Traceback (most recent call last):
        ...
        everlearn.wrappers.errors.SettingsError: diagnostics setting 'layers_every' must be 0 or \
more, not -1
    """

    layers_every: int = 10
    """Iterations between looks at single layers, ranks, gradients and churn; 0 for never (Dohare
    et al. 2024 take ranks every 10,000 steps; ours keeps all together under 3 % of the time)."""

    probe_every: int = 50
    """Iterations between probes of trainability; 0 for never (for the same reason)."""

    probe_steps: int = 100
    """Gradient steps of a probe (ours: for 2 x 64 units they take some 30 ms)."""

    probe_learning_rate: float = 1e-3
    """Adam's in a probe (ours: Adam's own default)."""

    def __post_init__(self) -> None:
        """Raise `SettingsError` for a number outside of its range."""
        for name in ("layers_every", "probe_every", "probe_steps", "probe_learning_rate"):
            value = getattr(self, name)
            if not value >= 0:
                raise SettingsError(f"diagnostics setting {name!r} must be 0 or more, not {value}")

    def due(self, iteration: int) -> tuple[bool, bool]:
        """Return whether an iteration looks at single layers, and whether it probes.

        Args:
            iteration: counted from 1.
        """
        layers, probe = (
            every > 0 and (iteration - 1) % every == 0
            for every in (self.layers_every, self.probe_every)
        )
        return layers, probe


@final
@dataclass(frozen=True)
class Subject:
    """An agent at the end of an iteration, as the diagnostics see it."""

    parts: Sequence[Part]
    """The agent's networks; what the one called "actor" puts out first is the policy."""

    policy: nn.Module
    """The module that holds them."""

    forward: Callable[[], Any]
    """Runs each part once on a batch; must not draw random numbers."""

    losses: Callable[[], Losses] | None = None
    """Computes on the batch what the parts learn from; must not draw global random numbers."""

    before: Sequence[Tensor] | None = None
    """The parameters before the iteration's update, from `copy_parameters`."""

    discrete: bool = False
    """Whether the policy is logits of a finite set of actions."""


def diagnose(
    subject: Subject, settings: Diagnostics | bool = True, iteration: int = 1
) -> dict[str, float]:
    """Measure each part of an agent on one batch.

    Nothing here draws a global random number or changes anything, so that switching it on or off
    does not change a single bit of training. Nothing is remembered either: a resumed run measures
    the same.

    Args:
        subject: what to look at. Its modules are put in evaluation mode meanwhile.
        settings: how often what is measured; True for the defaults.
        iteration: counted from 1.

    Returns:
        What `docs/logging.md` says, by tag: `plasticity/<part>/<name>`, and for single layers
        `plasticity/<part>/<layer>/<name>`.
    """
    settings = settings if isinstance(settings, Diagnostics) else Diagnostics()
    layers_due, probe_due = settings.due(iteration)
    found: measures.Measured = {}
    with evaluation_mode(subject.policy):
        seen = observe(subject.parts, subject.forward)
        for part in subject.parts:
            measures.look(found, part, seen)
            if layers_due:
                measures.look_closer(found, part, seen)
        if subject.before is not None and _fit(subject.before, subject.parts):
            _compare(found, subject, subject.before, seen, layers_due)
        if layers_due and subject.losses is not None:
            with torch.enable_grad():
                losses = subject.losses()
            for parts, loss in losses:
                measures.differentiate(found, parts, loss)
        if probe_due:
            for part in subject.parts:
                found[part.name, None, "trainability"] = _probe(part, seen, settings)
    return {
        f"plasticity/{part}/{name}" if layer is None else f"plasticity/{part}/{layer}/{name}": value
        for (part, layer, name), value in found.items()
        if layer is None or layers_due
    }


def _compare(
    found: measures.Measured,
    subject: Subject,
    before: Sequence[Tensor],
    seen: measures.AllSeen,
    layers_due: bool,
) -> None:
    """Measure what the iteration's update has changed."""
    parameters = [parameter for part in subject.parts for parameter in part.parameters]
    before = [v.to(p.device) for v, p in zip(before, parameters, strict=True)]
    values = iter(before)
    for part in subject.parts:
        own = {parameter: next(values) for parameter in part.parameters}
        measures.compare_weights(found, part, own)
    if layers_due:
        with borrowed(subject.parts, before):
            seen_before = observe(subject.parts, subject.forward)
        for part in subject.parts:
            measures.compare_answers(found, part, seen_before, seen, subject.discrete)


def _fit(before: Sequence[Tensor], parts: Sequence[Part]) -> bool:
    """Say whether the parameters are still the same ones: methods may add and remove some."""
    return [value.shape for value in before] == [p.shape for part in parts for p in part.parameters]


def _probe(part: Part, seen: measures.AllSeen, settings: Diagnostics) -> float:
    """Let a copy of a network learn random targets."""
    network = nn.Sequential(*sequence_of(part.hidden), part.output[0])
    # The same numbers each time: two probes differ by the network and the batch alone.
    generator = torch.Generator().manual_seed(0)
    inputs = seen[sites(part)[0].linear].inputs
    inputs = inputs[:: max(1, len(inputs) // PROBE_ROWS)][:PROBE_ROWS]
    return trainability(
        network, inputs, generator, settings.probe_steps, settings.probe_learning_rate
    )
