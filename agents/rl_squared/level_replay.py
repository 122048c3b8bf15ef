"""Prioritized level replay: which of many worlds to learn in next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np

from ...wrappers.errors import SettingsError, unknown


def rank_weights(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Return how likely levels are to be replayed by the ranks of their scores.

    Jiang et al., "Prioritized level replay" (ICML 2021), Equation 2 with h(S) = 1 / rank(S): a
    level of rank r, the highest score being of rank 1, has a weight of (1 / r)^(1 / temperature).

    Args:
        scores: of shape (levels,).
        temperature: above 0; near 0 the highest score alone is chosen.

    Returns:
        Probabilities, of shape (levels,). Of equal scores the first has the higher rank.

    Example:
        >>> rank_weights(np.array([0.5, 2.0, 1.0]), temperature=1.0).round(3).tolist()
        [0.182, 0.545, 0.273]
    """
    ranks = np.empty(len(scores))
    ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    # The first rank has 1, whatever the temperature: nothing can overflow.
    weights = ranks ** (-1.0 / temperature)
    return weights / weights.sum()


def staleness_weights(last: np.ndarray, count: int) -> np.ndarray:
    """Return how likely levels are to be replayed by how long ago they were drawn.

    Jiang et al. (2021), Equation 3: proportional to the draws since.

    Args:
        last: the number of the draw in which each was last drawn, of shape (levels,).
        count: draws so far.

    Returns:
        Probabilities, of shape (levels,); equal ones where all were drawn just now.

    Example:
        >>> staleness_weights(np.array([4, 1, 3]), count=4).tolist()
        [0.0, 0.75, 0.25]
    """
    ages = (count - last).astype(float)
    total = ages.sum()
    return ages / total if total > 0 else np.full(len(ages), 1.0 / len(ages))


def replay_weights(
    scores: np.ndarray, last: np.ndarray, count: int, temperature: float, staleness: float
) -> np.ndarray:
    """Return how likely levels are to be replayed: by scores, mixed with how stale these are.

    Jiang et al. (2021), Equation 1.

    Args:
        scores: of shape (levels,).
        last: the number of the draw in which each was last drawn, of shape (levels,).
        count: draws so far.
        temperature: of `rank_weights`.
        staleness: the part of `staleness_weights`, from 0 to 1.
    """
    by_score = (1 - staleness) * rank_weights(scores, temperature)
    return by_score + staleness * staleness_weights(last, count)


@final
@dataclass(frozen=True)
class LevelSampling:
    """How the next level is drawn.

    Defaults are those of Jiang et al., "Prioritized level replay" (ICML 2021), for Procgen.

    Raises:
        SettingsError: a value out of range.
    """

    kind: Literal["prioritized", "uniform"] = "prioritized"
    """prioritized: levels whose last trials held the largest advantages come more often; uniform:
    all come equally often."""

    temperature: float = 0.1
    """Of the ranks; near 0 the highest score alone is replayed (Jiang et al.: 0.1)."""

    staleness: float = 0.1
    """Part of the replays that goes by how long ago a level was drawn (Jiang et al.: 0.1)."""

    replay_probability: float | None = None
    """How likely a level is one that was scored before, while there are others; by default the
    share of those (Jiang et al.; by default their code replays none before all were scored)."""

    def __post_init__(self) -> None:
        if self.kind not in ("prioritized", "uniform"):
            raise unknown("level sampling", self.kind, ("prioritized", "uniform"))
        chance = self.replay_probability
        for name, fits, allowed in (
            ("temperature", self.temperature > 0, "more than 0"),
            ("staleness", 0 <= self.staleness <= 1, "from 0 to 1"),
            ("replay_probability", chance is None or 0 <= chance <= 1, "from 0 to 1"),
        ):
            if not fits:
                raise SettingsError(
                    f"level sampling setting {name!r} must be {allowed}, not {getattr(self, name)}"
                )


@final
class LevelReplay:
    """Draws levels, and keeps what they scored.

    A score is the mean absolute advantage (generalised advantage estimation) of the steps of a
    level in the rollout that it was last lived in, as in the published code: the "L1 value loss".
    A level counts as seen once it has a score.

    Args:
        n_levels: how many there are.
        sampling: how they are drawn.

    Example:
        >>> replay = LevelReplay(3, LevelSampling())
        >>> generator = np.random.default_rng(0)
        >>> level = replay.draw(generator)
        >>> replay.tell(level, 0.5)
        >>> replay.log()["levels/seen"]
        0.3333333333333333
    """

    def __init__(self, n_levels: int, sampling: LevelSampling) -> None:
        self.sampling = sampling
        self.scores = np.full(n_levels, np.nan)
        """Of each level; not a number before the first."""
        self._last = np.zeros(n_levels, dtype=np.int64)
        self._count = 0

    @property
    def seen(self) -> np.ndarray:
        """Which levels have a score, of shape (levels,)."""
        return np.isfinite(self.scores)

    def weights(self) -> np.ndarray:
        """Return how likely each level is to be replayed, of shape (levels,); 0 if not seen."""
        seen, weights = self.seen, np.zeros(len(self.scores))
        if seen.any():
            weights[seen] = replay_weights(
                self.scores[seen],
                self._last[seen],
                self._count,
                self.sampling.temperature,
                self.sampling.staleness,
            )
        return weights

    def draw(self, generator: np.random.Generator) -> int:
        """Draw a level.

        Args:
            generator: decides which.
        """
        level = self._choose(generator)
        self._count += 1
        self._last[level] = self._count
        return level

    def tell(self, level: int, score: float) -> None:
        """Give a level its score.

        Args:
            level: its index.
            score: 0 or more.
        """
        self.scores[level] = score

    def log(self) -> dict[str, float]:
        """Return what to log, by tag."""
        if self.sampling.kind == "uniform" or not self.seen.any():
            return {}
        weights = self.weights()
        likely = weights[weights > 0]
        return {
            "levels/seen": float(self.seen.mean()),
            "levels/score": float(np.nanmean(self.scores)),
            "levels/effective": float(np.exp(-(likely * np.log(likely)).sum())),
        }

    def get_state(self) -> dict[str, Any]:
        """Return scores and counters."""
        return {"scores": self.scores.copy(), "last": self._last.copy(), "count": self._count}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` returned.

        Args:
            state: of as many levels.
        """
        self.scores, self._last = np.array(state["scores"]), np.array(state["last"])
        self._count = int(state["count"])

    def _choose(self, generator: np.random.Generator) -> int:
        seen, sampling = self.seen, self.sampling
        if sampling.kind == "uniform":
            return int(generator.integers(len(seen)))
        share = float(seen.mean())
        chance = share if sampling.replay_probability is None else sampling.replay_probability
        if seen.all() or (seen.any() and generator.random() < chance):
            return int(generator.choice(len(seen), p=self.weights()))
        return int(generator.choice(np.flatnonzero(~seen)))
