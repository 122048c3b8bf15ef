"""Measures what uniformly random actions bring, for the table of reference returns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..evaluation.reference_returns import TABLE

_GYMNASIUM = "gymnasium's reward_threshold"
_CONTROL = "by construction: 1000 steps of at most 1 (Tassa et al. 2018, section 3)"

REFERENCES: dict[str, tuple[float, str]] = {
    **{
        world: (value, _GYMNASIUM)
        for world, value in {
            "Acrobot-v1": -100.0,
            "Ant-v5": 6000.0,
            "CartPole-v1": 475.0,
            "HalfCheetah-v5": 4800.0,
            "Hopper-v5": 3800.0,
            "LunarLander-v3": 200.0,
        }.items()
    },
    **dict.fromkeys(
        ("CheetahRun-v1", "WalkerRun-v1", "WalkerStand-v1", "WalkerWalk-v1"), (1000.0, _CONTROL)
    ),
    "everlearn/TiltedCartPole-v0": (1000.0, "by construction: 1000 steps of 1"),
    "everlearn/TwoArmedBandit-v0": (800.0, "by construction: 1000 pulls of 0.8"),
    "everlearn/TwoStateChain-v0": (1000.0, "by construction: 1000 steps of at most 1"),
}
"""Returns that count as good, with their source, for worlds without settings of their own.

Where a world is not here, no source was found that fits its version, and nothing is normalised.
"""


@dataclass(frozen=True)
class MeasureRandomReturns:
    """Measure the returns of random actions in the base worlds of all streams."""

    episodes: int = 100
    """Episodes of each world."""

    only: str = ""
    """Measure the worlds with this in their name; the others keep their rows."""

    output: Path = TABLE
    """The table to write."""

    def run(self) -> None:
        """Measure, and write the table."""
        known = json.loads(self.output.read_text(encoding="utf-8")) if self.output.exists() else []
        rows = {_key(row["world"], row["settings"]): row for row in known}
        for world, settings in base_worlds():
            if self.only in world:
                rows[_key(world, settings)] = self._measure(world, settings)
                print(json.dumps(rows[_key(world, settings)]), flush=True)
        order = [_key(world, settings) for world, settings in base_worlds()]
        table = [rows[key] for key in order if key in rows]
        self.output.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")

    def _measure(self, world: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        import numpy as np
        from gymnasium.vector.utils import batch_space

        from ..envs import Stream
        from .evaluation_worlds import EvaluationWorlds, Trial

        stream = Stream(world, (world,), world_settings=settings)
        copies = min(self.episodes, 16)
        worlds = EvaluationWorlds(stream, "auto", copies, copies, most_steps=200_000)
        space = batch_space(worlds.action_space, copies)
        space.seed(0)
        trials = [Trial({}, 1000 + episode) for episode in range(self.episodes)]
        outcomes = list(worlds.play(trials, lambda *_: space.sample()))
        worlds.close()
        returns = [outcome.reward for outcome in outcomes]
        known = REFERENCES.get(world) if not settings else None
        return {
            "world": world,
            "settings": dict(settings),
            "random": {
                "mean": float(np.mean(returns)),
                "standard_error": float(np.std(returns, ddof=1) / np.sqrt(len(returns))),
                "episodes": len(returns),
            },
            "reference": None if known is None else {"value": known[0], "source": known[1]},
        }


def base_worlds() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the worlds that the catalogue's streams stand on, with their settings, each once."""
    from ..envs.catalogue import CATALOGUE

    seen = set()
    for builder in CATALOGUE.values():
        stream = builder()
        for world in stream.worlds:
            key = _key(world, stream.world_settings)
            if key not in seen:
                seen.add(key)
                yield world, stream.world_settings


def _key(world: str, settings: Mapping[str, Any]) -> str:
    return json.dumps([world, dict(settings)], sort_keys=True)
