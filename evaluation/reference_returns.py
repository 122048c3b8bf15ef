"""What returns are worth: those of random actions and of a reference, world by world."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("reference_returns.json")
"""The committed table: a list of worlds, each with settings, returns and where they come from."""

REWARD_KNOBS = ("control-cost-weight", "episode-length", "forward-reward-weight", "reward-scale")
"""Knobs that change what a return means, with all whose name begins with "goal-"."""


@dataclass(frozen=True)
class Reference:
    """Returns that tell how good another return in the same world is."""

    world: str
    """The world's id."""

    random: float
    """Mean return of uniformly random actions."""

    reference: float
    """A return that counts as good."""

    source: str
    """Where the reference comes from."""

    def normalize(self, value: float) -> float:
        """Return how good a return is: 0 as random actions, 1 as the reference.

        Args:
            value: the return; results below 0 and above 1 are kept.

        Example:
            >>> Reference("CartPole-v1", 25.0, 475.0, "an example").normalize(250.0)
            0.5
        """
        return (value - self.random) / (self.reference - self.random)


def find_reference(
    world: str, settings: Mapping[str, Any] | None = None, knobs: Iterable[str] = ()
) -> Reference | None:
    """Return what is known of a world's returns.

    Args:
        world: its id.
        settings: that it is made with.
        knobs: those that a stream turns: where one of them changes the reward, nothing is known.

    Returns:
        The reference, or None where none is known.

    Example:
        >>> find_reference("CartPole-v1").reference
        475.0
        >>> find_reference("HalfCheetah-v5", knobs=["goal-velocity"]) is None
        True
    """
    if any(knob in REWARD_KNOBS or knob.startswith("goal-") for knob in knobs):
        return None
    return _table().get(_key(world, settings or {}))


@cache
def _table() -> dict[str, Reference]:
    rows = json.loads(TABLE.read_text(encoding="utf-8"))
    return {
        _key(row["world"], row["settings"]): Reference(
            row["world"],
            row["random"]["mean"],
            row["reference"]["value"],
            row["reference"]["source"],
        )
        for row in rows
        if row["reference"] is not None
    }


def _key(world: str, settings: Mapping[str, Any]) -> str:
    return json.dumps([world, dict(settings)], sort_keys=True)
