"""The lifelong-learning metrics of New et al. (Neural Networks 2023), as l2metrics computes them.

Terms are those of `lifelong_blocks`. All take blocks that are preprocessed: ratios of scores that
can be below 0 have the wrong sign.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from .lifelong_blocks import Block, saturation, terminal_performance
from .lifelong_transfer import Transfer, transfer
from .measured import Measured, mean_of

Experts = Mapping[str, Sequence[np.ndarray]]
"""By task, the scores of runs that learned it alone."""


class LifelongMetrics(NamedTuple):
    """All of the lifelong-learning metrics of one life.

    Attributes:
        tasks: a row a task, a column a metric but for transfer; NaN is what cannot be measured.
        transfer: by form, "ratio" or "contrast".
        lifetime: by metric the mean over tasks; of transfer, over the first value of each pair.
    """

    tasks: pd.DataFrame
    transfer: dict[str, Transfer]
    lifetime: dict[str, Measured]


def recovery_times(blocks: Sequence[Block], task: str) -> list[int]:
    """Return how long each later learning block of a task took to be as good as the one before.

    Args:
        blocks: of one life.
        task: the task's name.

    Returns:
        For each learning block of the task but the first, the position of the first score at least
        as high as the terminal performance of the one before; where there is none, the number of
        scores and one. (That is l2metrics' rule; `adaptation` treats such times as censored.)

    Example:
        >>> first = Block("train", "a", np.arange(3), np.array([0.0, 50.0, 100.0]))
        >>> second = Block("train", "a", np.arange(4, 7), np.array([10.0, 20.0, 30.0]))
        >>> recovery_times([first, second], "a")
        [4]
    """
    times = []
    for before, block in pairwise(_learning(blocks, task)):
        reached = np.flatnonzero(block.scores >= terminal_performance(before))
        times.append(int(reached[0]) if reached.size else len(block.scores) + 1)
    return times


def performance_recovery(times: Sequence[float]) -> float:
    """Return how much faster a task recovers each time: minus the Theil-Sen slope of the times.

    Args:
        times: from `recovery_times`.

    Returns:
        Above 0 for ever faster recovery; NaN for fewer than 2 times.

    Example:
        >>> performance_recovery([3, 2, 1])
        1.0
    """
    return -float(stats.theilslopes(times).slope) if len(times) > 1 else float("nan")


def performance_maintenance(
    blocks: Sequence[Block], task: str, reference: Literal["evaluation", "learning"] = "evaluation"
) -> list[float]:
    """Return how a task's evaluations compare with what it was right after learning.

    Args:
        blocks: of one life.
        task: the task's name.
        reference: the newest evaluation block that was the first after a learning block of the task
            ("mrlep" in l2metrics), or that learning block's terminal performance ("mrtlp").

    Returns:
        A difference for each evaluation block of the task that comes after one that is a reference,
        and is none itself; below 0 is forgetting.

    Example:
        >>> learn = Block("train", "a", np.arange(2), np.array([0.0, 1.0]))
        >>> tests = [Block("test", "a", np.arange(1), np.array([x])) for x in (0.75, 0.5)]
        >>> performance_maintenance([learn, *tests], "a")
        [-0.25]
    """
    values = []
    learned: Block | None = None
    level = float("nan")
    for block in blocks:
        if block.task != task:
            continue
        if block.kind == "train":
            learned, level = block, float("nan")
        elif learned is not None:
            now = terminal_performance(block)
            if np.isnan(level):
                level = now if reference == "evaluation" else terminal_performance(learned)
            else:
                values.append(now - level)
    return values


def relative_performance(
    learned: np.ndarray, experts: Sequence[np.ndarray], averaging: Literal["runs", "time"] = "runs"
) -> list[float]:
    """Return the sum of scores while learning, relative to that of agents that learned only this.

    Args:
        learned: the task's scores over all its learning blocks, joined.
        experts: the scores of single-task runs. Both sums are over as many scores as both have.
        averaging: a ratio for each expert, or one to the mean over experts at each time.

    Returns:
        Ratios; NaN where an expert's sum is 0.

    Example:
        >>> relative_performance(np.array([1.0, 2.0, 9.0]), [np.array([2.0, 4.0])])
        [0.5]
    """
    ratios = []
    for expert in _averaged(experts, averaging):
        n = min(len(learned), len(expert))
        total = float(expert[:n].sum())
        ratios.append(float(learned[:n].sum()) / total if total else float("nan"))
    return ratios


def sample_efficiency(
    blocks: Sequence[Block],
    task: str,
    experts: Sequence[np.ndarray],
    averaging: Literal["runs", "time"] = "runs",
) -> list[float]:
    """Return how high and how fast a task saturates, relative to agents that learned only this.

    The saturation value over the expert's, times the expert's experiences to saturation over ours.

    Args:
        blocks: of one life.
        task: the task's name; its learning blocks are joined.
        experts: the scores of single-task runs.
        averaging: a value for each expert, or one for the mean over experts at each time.

    Returns:
        One for each expert that does not saturate at its first score; none where the agent does. 0
        where scores fall over time or stay below a fifth of the expert's saturation; NaN where that
        is 0.

    Example:
        >>> learn = Block("train", "a", np.arange(5), np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
        >>> sample_efficiency([learn], "a", [np.array([1.0, 3.0, 5.0])])
        [0.5]
    """
    learning = _learning(blocks, task)
    if not learning:
        return []
    scores = np.concatenate([block.scores for block in learning])
    value, experiences = saturation(scores)
    if experiences == 0:
        return []
    numbers = np.concatenate([block.experiences for block in learning])
    falls = np.polyfit(numbers, scores, 1)[0] < 0
    values = []
    for expert in _averaged(experts, averaging):
        best, needed = saturation(expert)
        if needed:
            poor = falls or value < 0.2 * best
            ratio = value / best if best else float("nan")
            values.append(0.0 if poor else ratio * (needed / experiences))
    return values


def lifelong_metrics(
    blocks: Sequence[Block],
    experts: Experts | None = None,
    averaging: Literal["runs", "time"] = "runs",
) -> LifelongMetrics:
    """Return all of the lifelong-learning metrics, under l2metrics' names.

    Args:
        blocks: of one life, from `read_blocks` and then `preprocess`.
        experts: by task, the scores of runs that learned it alone, from `preprocess`.
        averaging: over experts, as in `relative_performance`.

    Example:
        >>> learn = Block("train", "a", np.arange(10), np.arange(10.0))
        >>> tests = [Block("test", "a", np.arange(1), np.array([x])) for x in (8.0, 6.0)]
        >>> lifelong_metrics([learn, *tests]).lifetime["perf_maintenance_mrlep"]
        Measured(value=-2.0, n=1, of=1)
    """
    tasks = list(dict.fromkeys(block.task for block in blocks))
    table = pd.DataFrame(
        [_of_task(blocks, task, (experts or {}).get(task, ()), averaging) for task in tasks],
        index=pd.Index(tasks, name="task"),
    )
    forms = {"ratio": transfer(blocks, "ratio"), "contrast": transfer(blocks, "contrast")}
    lifetime = {str(name): mean_of(table[name]) for name in table}
    for form, pairs in forms.items():
        for direction in ("forward", "backward"):
            firsts = [values[0] for values in getattr(pairs, direction).values()]
            lifetime[f"{direction}_transfer_{form}"] = mean_of(firsts)
    return LifelongMetrics(table, forms, lifetime)


def _of_task(
    blocks: Sequence[Block],
    task: str,
    experts: Sequence[np.ndarray],
    averaging: Literal["runs", "time"],
) -> dict[str, float]:
    def average(kind: str) -> float:
        return mean_of([b.scores.mean() for b in blocks if (b.kind, b.task) == (kind, task)]).value

    learning = _learning(blocks, task)
    learned = np.concatenate([np.empty(0), *(block.scores for block in learning)])
    relative = relative_performance(learned, experts, averaging) if learning else []
    return {
        "perf_recovery": performance_recovery(recovery_times(blocks, task)),
        "avg_train_perf": average("train"),
        "avg_eval_perf": average("test"),
        "perf_maintenance_mrlep": mean_of(performance_maintenance(blocks, task)).value,
        "perf_maintenance_mrtlp": mean_of(performance_maintenance(blocks, task, "learning")).value,
        "ste_rel_perf": mean_of(relative).value,
        "sample_efficiency": mean_of(sample_efficiency(blocks, task, experts, averaging)).value,
    }


def _learning(blocks: Sequence[Block], task: str) -> list[Block]:
    return [block for block in blocks if (block.kind, block.task) == ("train", task)]


def _averaged(
    experts: Sequence[np.ndarray], averaging: Literal["runs", "time"]
) -> Sequence[np.ndarray]:
    if averaging == "runs" or not len(experts):
        return experts
    shortest = min(map(len, experts))
    return [np.mean([expert[:shortest] for expert in experts], axis=0)]
