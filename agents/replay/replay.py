"""What an off-policy agent replays and how often, as methods see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from stable_baselines3.common.buffers import ReplayBuffer


@final
@dataclass
class Replay:
    """What an off-policy agent tells its methods after each rollout, and what they may set.

    Example:
        >>> from everlearn.agents.method import Method
        >>> class HalfAsOften(Method):
        ...     name = "half-as-often"
        ...
        ...     def before_updates(self, replay: Replay) -> None:
        ...         replay.ratio /= 2
        >>> replay = Replay(buffer=None, steps=8, episodes=0, ratio=1.0)
        >>> HalfAsOften().before_updates(replay)
        >>> replay.ratio
        0.5
    """

    buffer: ReplayBuffer
    """What it has experienced; who draws from it uses no global generator."""

    steps: int
    """Environment steps of the agent's whole life, over all copies of the world."""

    episodes: int
    """Episodes that have ended since steps were last counted from 0, over all copies."""

    ratio: float
    """Gradient steps for each transition, 0 or more, those of the last rollout included; what the
    agent was built with, or the method before has set."""
