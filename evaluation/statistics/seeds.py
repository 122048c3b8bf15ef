"""Whether there are enough runs to say something."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from .comparisons import least_p

SMOKE, DEVELOPMENT, CLAIM, HEADLINE = 1, 3, 10, 30
"""Runs an agent for: seeing that it works, choosing, a claim, the claim of a paper.

The two larger ones follow Agarwal et al. (NeurIPS 2021) and Patterson et al. (JMLR 2024)."""


def power(effect: float, n: int, alpha: float = 0.05) -> float:
    """Return how likely a paired t-test finds a difference that is there.

    Colas et al., "How many random seeds?" (2018).

    Args:
        effect: the mean difference, in standard deviations of the differences over seeds.
        n: pairs, at least 2.
        alpha: the level of the test, two-sided.

    Example:
        >>> round(power(1.0, n=10), 2)
        0.8
    """
    if effect == 0:
        return alpha
    # The square of a noncentral t is a noncentral F, which scipy computes without NaN in the tails.
    limit = stats.f.ppf(1 - alpha, 1, n - 1)
    return float(stats.ncf.sf(limit, 1, n - 1, n * effect**2))


def detectable_effect(n: int, alpha: float = 0.05, wanted: float = 0.8) -> float:
    """Return the smallest difference that a paired test of n seeds is likely to find.

    Args:
        n: pairs, at least 2.
        alpha: the level of the test, two-sided.
        wanted: how likely.

    Returns:
        In standard deviations of the differences over seeds.

    Example:
        >>> round(detectable_effect(10), 1)
        1.0
    """
    return float(optimize.brentq(lambda effect: power(effect, n, alpha) - wanted, 1e-6, 40.0))


def runs_needed(effect: float, alpha: float = 0.05, wanted: float = 0.8) -> int | None:
    """Return how many seeds a paired test needs to be likely to find a difference.

    Args:
        effect: the mean difference, in standard deviations of the differences over seeds.
        alpha: the level of the test, two-sided.
        wanted: how likely.

    Returns:
        As many as a t-test needs, and no fewer than let a permutation test reach the level; None
        for more than 1,000.

    Example:
        >>> runs_needed(1.0)
        10
    """
    counts = range(next(n for n in range(2, 1001) if least_p(n) < alpha), 1001)
    found = bisect_left(counts, wanted, key=lambda n: power(effect, n, alpha))
    return counts[found] if found < len(counts) else None


def seeds_note(n: int, comparisons: int = 1, differences: ArrayLike | None = None) -> str:
    """Say in plain words what so many runs allow to conclude.

    Args:
        n: runs of each agent.
        comparisons: how many pairs are tested and corrected for.
        differences: of a pair, (n,), to say how many seeds its difference would need.

    Example:
        >>> print(seeds_note(1))
        1 run of each agent: enough to see that it works, not to compare.
    """
    alpha = 0.05 / max(comparisons, 1)
    sentences = [f"{n} {'run' if n == 1 else 'runs'} of each agent: {_use(n)}."]
    if n < 2:
        return sentences[0]
    if least_p(n) >= alpha:
        corrected = f", corrected for {comparisons} comparisons," if comparisons > 1 else ""
        least = f"{min(1.0, least_p(n) * max(comparisons, 1)):.2g}"
        sentences.append(
            f"Whatever the difference, a paired test of {n} seeds{corrected} cannot reach p < "
            f"0.05: the least it can give is {least}."
        )
    else:
        effect = detectable_effect(n, alpha)
        sentences.append(
            f"A difference of {effect:.1f} standard deviations between seeds, or more, would be "
            "found in 4 of 5 such experiments; smaller ones often would not."
        )
    if differences is not None:
        sentences.append(_needed(np.asarray(differences, dtype=float), alpha))
    return " ".join(sentences)


def _use(n: int) -> str:
    if n < DEVELOPMENT:
        return "enough to see that it works, not to compare"
    if n < CLAIM:
        return "enough to choose what to try next, not to claim a difference"
    if n < HEADLINE:
        return "enough to claim a clear difference"
    return "enough for a paper's main claim"


def _needed(differences: np.ndarray, alpha: float) -> str:
    spread = float(np.std(differences, ddof=1)) if len(differences) > 1 else 0.0
    if not spread > 0:
        return "How much differences vary between seeds is not known."
    enough = runs_needed(float(differences.mean()) / spread, alpha)
    count = "more than 1,000" if enough is None else f"about {enough}"
    return f"If the difference is what it seems here, {count} seeds would be likely to show it."
