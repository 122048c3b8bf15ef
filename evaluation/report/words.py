"""What can be concluded, and what cannot, in plain words."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..statistics.seeds import CLAIM, seeds_note
from .collect import StreamRuns

LEVEL = 0.05
"""The level of all tests, after correction."""


def conclusions(
    stream: StreamRuns, tests: dict[str, pd.DataFrame], score: str, n_tasks: int
) -> list[str]:
    """Say what the runs in a stream allow to conclude.

    Args:
        stream: its runs.
        tests: what was compared, by what it is; each a row a pair, from `compare`.
        score: what evaluations were scored by.
        n_tasks: how many tasks were scored; 0 for no evaluations.
    """
    counts = [len(group.scored) for group in stream.groups]
    sentences = []
    if len(stream.groups) < 2:
        sentences.append("There is one agent: nothing is compared.")
        sentences.append(seeds_note(max(counts[0], 1)))
    elif min(counts) == 0:
        short = next(group.label for group in stream.groups if not group.scored)
        sentences.append(f"{short} has no run that is long enough to count among the scores.")
    else:
        pairs = max((len(table) for table in tests.values()), default=0)
        if len(set(counts)) > 1:
            told = ", ".join(f"{g.label} {n}" for g, n in zip(stream.groups, counts, strict=True))
            sentences.append(
                f"Agents have unequal numbers of runs ({told}); tests use common seeds."
            )
        sentences.append(seeds_note(min(counts), max(pairs, 1)))
        for what, table in tests.items():
            sentences += [_of_pair(what, row) for row in table.to_dict("records")]
    if not n_tasks:
        sentences.append(
            "There were no evaluations: nothing can be said about forgetting or about single tasks."
        )
    elif score == "return" and n_tasks > 1:
        sentences.append(
            "Scores are raw returns of several tasks, for which no reference is known: means over "
            "tasks weigh those with large returns more."
        )
    return sentences


def general() -> list[str]:
    """Say what no such report can tell."""
    return [
        "All of this holds for these streams, these settings and this many steps. Settings that "
        "were chosen by looking at the same seeds make their agent look better than it is.",
        "Intervals say where the mean over seeds lies, not how much a single run varies.",
        "Diagnostics of plasticity are not outcomes: a network with many dormant units may learn "
        "well.",
    ]


def _of_pair(what: str, row: dict[str, float | str]) -> str:
    n, agent, other = int(row["n"]), row["agent"], row["other"]
    if n < 2:
        return f"{what}: {agent} and {other} have {n} seeds in common: no test."
    difference = float(row["difference"])
    more = "more" if difference > 0 else "less"
    size = f"{abs(difference):.3g} {more} than" if difference != 0 else "as much as"
    interval = "no interval"
    if np.isfinite(float(row["low"])):
        interval = f"95% interval of the difference {row['low']:.3g} to {row['high']:.3g}"
    p = float(row["p_adjusted"])
    sentence = f"{what}: {agent} has {size} {other} (n = {n} common seeds, {interval}, "
    sentence += f"p = {p:.2g} after Holm's correction). "
    if p < LEVEL and n >= CLAIM:
        return sentence + "That is a difference."
    if p < LEVEL:
        return sentence + f"That points to a difference; with fewer than {CLAIM} seeds claim none."
    return sentence + "That is no ground to claim a difference, nor that there is none."
