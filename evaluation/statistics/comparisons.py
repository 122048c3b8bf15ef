"""Whether agents differ: paired tests over seeds, corrected for how many there are."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from .bootstrap import bootstrap

Correction = Literal["holm", "benjamini-hochberg"]


def compare(
    scores: Mapping[str, pd.Series],
    baseline: str | None = None,
    correction: Correction = "holm",
    seed: int = 0,
) -> pd.DataFrame:
    """Test pairs of agents on the seeds that both have.

    A permutation test of the mean difference: by chance alone, the difference of each seed could as
    well have had the other sign. It is exact up to 13 seeds, and asks for no distribution.

    Args:
        scores: by agent, one score a run, by seed; NaN is what could not be measured.
        baseline: the agent that all others are compared with; None to compare all with all.
        correction: of the p-values for the number of tests, as in `adjust`.
        seed: of the draws.

    Returns:
        A row a pair: `agent`, `other`, `n` (seeds in common), `difference` of their means with its
        95 % bootstrap interval `low` and `high`, `p`, `p_adjusted` and `p_least`, the smallest p
        that as many seeds can give. NaN where there are fewer than 2 seeds in common.

    Example:
        >>> runs = {"a": pd.Series([1.0, 2.0, 3.0, 4.0]), "b": pd.Series([0.0, 1.0, 2.0, 2.5])}
        >>> compare(runs)[["n", "difference", "p"]].iloc[0].tolist()
        [4.0, 1.125, 0.125]
    """
    if baseline is None:
        pairs = list(combinations(scores, 2))
    else:
        pairs = [(agent, baseline) for agent in scores if agent != baseline]
    rows = []
    for agent, other in pairs:
        own, their = scores[agent].dropna(), scores[other].dropna()
        differences = (own - their.reindex(own.index)).dropna().to_numpy()
        rows.append((agent, other, len(differences), *_test(differences, seed)))
    columns = ["agent", "other", "n", "difference", "low", "high", "p", "p_least"]
    table = pd.DataFrame(rows, columns=columns)
    table.insert(7, "p_adjusted", adjust(table["p"], correction))
    return table


def adjust(p_values: ArrayLike, correction: Correction = "holm") -> np.ndarray:
    """Correct p-values for how many tests there are.

    Args:
        p_values: (n,); NaN is no test.
        correction: "holm" (Holm 1979) bounds the chance of any false finding; "benjamini-hochberg"
            (1995) bounds the share of false ones among findings.

    Example:
        >>> adjust([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=float)
    known = ~np.isnan(p)
    adjusted = np.full(p.shape, np.nan)
    if not known.any():
        return adjusted
    if correction == "benjamini-hochberg":
        adjusted[known] = stats.false_discovery_control(p[known])
        return adjusted
    order = np.argsort(p[known])
    steps = np.maximum.accumulate(p[known][order] * np.arange(known.sum(), 0, -1))
    ranked = np.empty_like(steps)
    ranked[order] = np.minimum(steps, 1.0)
    adjusted[known] = ranked
    return adjusted


def least_p(n: int) -> float:
    """Return the smallest p-value that a paired permutation test of n pairs can give.

    Args:
        n: pairs.

    Example:
        >>> least_p(3), least_p(10)
        (0.25, 0.001953125)
    """
    return 2.0 / 2.0**n if n > 1 else 1.0


def _test(differences: np.ndarray, seed: int) -> tuple[float, float, float, float, float]:
    n = len(differences)
    if n < 2:
        mean = float(differences.mean()) if n else np.nan
        return mean, np.nan, np.nan, np.nan, np.nan
    found = bootstrap(lambda table: table.mean(axis=(-2, -1)), differences[:, None], seed=seed)
    test = stats.permutation_test(
        (differences,),
        lambda x, axis: np.mean(x, axis=axis),
        permutation_type="samples",
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    return float(found.value), float(found.low), float(found.high), float(test.pvalue), least_p(n)
