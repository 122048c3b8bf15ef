"""A life as the lifelong-learning metrics see it: blocks of learning and blocks of evaluation.

Terms and definitions are those of New et al., "A domain-agnostic approach for characterization of
lifelong learning systems" (Neural Networks 2023), as the package l2metrics 3.1.0 computes them. A
block here is one regime of theirs: experiences (episodes) in a row that are of one kind and task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

Ranges = Mapping[str, tuple[float, float]]
"""The lowest and the highest score of each task."""

SCALE = 100.0
"""What a range is normalised to."""

OFFSET = 1.0
"""What is added then, so that no ratio has a denominator of 0."""


class Block(NamedTuple):
    """Experiences in a row that are of one kind and one task.

    Attributes:
        kind: "train" for a learning block, "test" for an evaluation block.
        task: the task's name.
        experiences: the experiences' numbers in the whole life, rising.
        scores: one for each of them.
    """

    kind: Literal["train", "test"]
    task: str
    experiences: np.ndarray
    scores: np.ndarray


def read_blocks(log: pd.DataFrame, score: str = "return") -> list[Block]:
    """Cut a log into blocks.

    Args:
        log: with the columns of l2logger's format: `block_num`, `exp_num`, `block_type`,
            `task_name`, `exp_status` and the score; in the order of `exp_num`.
        score: the column to read; rows without it, and incomplete ones, are left out.

    Example:
        >>> rows = {"block_num": [0, 1, 1], "exp_num": [0, 1, 2], "task_name": ["a_1"] * 3,
        ...         "block_type": ["test", "train", "train"], "exp_status": ["complete"] * 3,
        ...         "return": [0.0, 1.0, 2.0]}
        >>> [(block.kind, block.scores.tolist()) for block in read_blocks(pd.DataFrame(rows))]
        [('test', [0.0]), ('train', [1.0, 2.0])]
    """
    known = log[(log["exp_status"] == "complete") & log[score].notna()]
    names = known[["block_num", "block_type", "task_name"]]
    number = (names != names.shift()).any(axis=1).cumsum()
    return [
        Block(
            rows["block_type"].iloc[0],
            str(rows["task_name"].iloc[0]),
            rows["exp_num"].to_numpy(),
            rows[score].to_numpy(dtype=float),
        )
        for _, rows in known.groupby(number.to_numpy())
    ]


def smooth(scores: ArrayLike, window: int | None = None) -> np.ndarray:
    """Take a moving average over scores that are mirrored at both ends.

    Args:
        scores: (n,).
        window: n values to average over; None, or more than there are scores, for a fifth of them
            but at most 100. Fewer than 3 leave the scores as they are.

    Returns:
        As many, which lie one score early for odd windows and half a score for even ones.

    Example:
        >>> smooth([1.0, 2.0, 3.0, 4.0, 5.0], window=3).round(3).tolist()
        [2.0, 1.667, 2.0, 3.0, 4.0]
    """
    x = np.asarray(scores, dtype=float)
    if window is None or len(x) < window:
        window = min(int(0.2 * len(x)), 100)
    if window < 3:
        return x
    mirrored = np.concatenate([x[window - 1 : 0 : -1], x, x[-2 : -window - 1 : -1]])
    averaged = np.convolve(np.full(window, 1.0 / window), mirrored, mode="valid")
    start = window // 2 - 1
    return averaged[start : start + len(x)]


def preprocess(
    blocks: Sequence[Block],
    experts: Mapping[str, Sequence[ArrayLike]],
    smoothing: bool = True,
    normalization: Literal["task", "run", "none"] = "task",
    ranges: Ranges | None = None,
) -> tuple[list[Block], dict[str, list[np.ndarray]]]:
    """Smooth what was learned, then bring scores to the range from 1 to 101.

    Args:
        blocks: of one life.
        experts: by task, the scores of runs that learned it alone.
        smoothing: whether learning blocks and experts are smoothed.
        normalization: by each task's range, by that of all tasks together, or none. With scores
            below 0 all ratios are wrong without it.
        ranges: fixed ones, which make lives comparable; None for what the data at hand reach.

    Returns:
        Blocks and experts. A task whose scores are all the same has 1 throughout.

    Example:
        >>> block = Block("test", "a", np.arange(2), np.array([-5.0, 5.0]))
        >>> preprocess([block], {})[0][0].scores.tolist()
        [1.0, 101.0]
    """
    own = list(blocks)
    alone = {task: [np.asarray(run, dtype=float) for run in runs] for task, runs in experts.items()}
    if smoothing:
        own = [b._replace(scores=smooth(b.scores)) if b.kind == "train" else b for b in own]
        alone = {task: [smooth(run) for run in runs] for task, runs in alone.items()}
    if normalization == "none":
        return own, alone
    known = dict(ranges or task_ranges(own, alone))
    if normalization == "run":
        lowest, highest = min(low for low, _ in known.values()), max(h for _, h in known.values())
        known = dict.fromkeys(known, (lowest, highest))
    return (
        [b._replace(scores=_normalize(b.scores, known[b.task])) for b in own],
        {
            task: [_normalize(run, known[task]) for run in runs]
            for task, runs in alone.items()
            if task in known
        },
    )


def task_ranges(
    blocks: Sequence[Block], experts: Mapping[str, Sequence[np.ndarray]]
) -> dict[str, tuple[float, float]]:
    """Return the lowest and the highest score of each task in its blocks and its experts.

    Args:
        blocks: of one life.
        experts: by task, the scores of runs that learned it alone.

    Example:
        >>> task_ranges([Block("test", "a", np.arange(2), np.array([1.0, 3.0]))], {})
        {'a': (1.0, 3.0)}
    """
    ranges = {}
    for task in dict.fromkeys(block.task for block in blocks):
        runs = [block.scores for block in blocks if block.task == task]
        scores = np.concatenate([*runs, *experts.get(task, ())])
        ranges[task] = (float(scores.min()), float(scores.max()))
    return ranges


def terminal_performance(block: Block) -> float:
    """Return how good a task was at the end of a block.

    Args:
        block: one with at least one score.

    Returns:
        The mean of the last tenth of a learning block; that of all of an evaluation block.

    Example:
        >>> terminal_performance(Block("train", "a", np.arange(10), np.arange(10.0)))
        9.0
    """
    first = int(0.9 * len(block.scores)) if block.kind == "train" else 0
    return float(block.scores[first:].mean())


def saturation(scores: np.ndarray) -> tuple[float, int]:
    """Return the highest smoothed score, and the position at which it is first reached.

    Args:
        scores: at least one.

    Example:
        >>> saturation(np.array([1.0, 5.0, 3.0, 5.0]))
        (5.0, 1)
    """
    smoothed = smooth(scores)
    return float(smoothed.max()), int(smoothed.argmax())


def block_table(blocks: Sequence[Block]) -> pd.DataFrame:
    """Return what is known of each block by itself, under l2metrics' names.

    Args:
        blocks: of one life, preprocessed.

    Returns:
        The columns `block_type`, `task_name`, `saturation`, `exp_to_sat`, `term_perf`,
        `exp_to_term_perf` and `avg_perf`, a row a block.

    Example:
        >>> block_table([Block("test", "a", np.arange(2), np.array([1.0, 3.0]))])["avg_perf"].item()
        2.0
    """
    rows = []
    for block in blocks:
        share = 0.1 if block.kind == "train" else 1.0
        rows.append(
            (
                block.kind,
                block.task,
                *saturation(block.scores),
                terminal_performance(block),
                int((1 - share / 2) * len(block.scores)),
                float(block.scores.mean()),
            )
        )
    names = "block_type task_name saturation exp_to_sat term_perf exp_to_term_perf avg_perf"
    return pd.DataFrame(rows, columns=names.split())


def _normalize(scores: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    low, high = limits
    if low == high:
        return np.full(len(scores), OFFSET)
    return (scores - low) / (high - low) * SCALE + OFFSET
