"""The streams that come with everlearn, each a function from its settings to its data."""

from __future__ import annotations

from collections.abc import Callable

from ..wrappers.change import Change
from ..wrappers.schedules import Periodic
from ..wrappers.values import LogUniform
from .stream import Stream


def slippery_ant(change_every: int = 2_000_000, low: float = 0.02, high: float = 2.0) -> Stream:
    """Ant on ground whose friction is drawn anew, hidden from the agent.

    Dohare et al., "Loss of plasticity in deep continual learning", Nature 2024: friction
    log-uniform on [0.02, 2], a new one every two million steps. The published environment waits
    for the episode's end; this one changes at the step itself, inside the episode. It stands on
    gymnasium's Ant-v5, whose observations hold contact forces: returns are not comparable with the
    paper's Ant-v3.

    Args:
        change_every: global environment steps between changes, at least 1.
        low: least friction, above 0.
        high: greatest friction, above `low`.
    """
    friction = Change("friction", LogUniform(low, high), Periodic(change_every))
    return Stream(name="everlearn/SlipperyAnt-v0", worlds=("Ant-v5",), changes=(friction,))


CATALOGUE: dict[str, Callable[..., Stream]] = {
    "everlearn/SlipperyAnt-v0": slippery_ant,
}
"""Every stream by its id."""
