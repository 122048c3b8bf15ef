"""What learning one task did to another, as l2metrics computes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from .lifelong_blocks import Block, terminal_performance

Pairs = dict[tuple[str, str], list[float]]
"""Values by (task that was trained, task that was evaluated), in the order of time."""


class Transfer(NamedTuple):
    """What training on one task did to another.

    Attributes:
        forward: where the other had not been trained yet.
        backward: where it had.
    """

    forward: Pairs
    backward: Pairs


def transfer(blocks: Sequence[Block], form: Literal["ratio", "contrast"] = "ratio") -> Transfer:
    """Return what learning one task did to the evaluations of another.

    For two evaluation blocks of a task in a row, with terminal performances x and y, the ratio is
    y / x and the contrast (y - x) / (x + y). The gain is credited to the task that was learned
    between them; where several were, to that which first came last in the life, as l2metrics does.

    Args:
        blocks: of one life, with scores that are not below 0.
        form: which of the two; a pair whose denominator is 0 is left out.

    Example:
        >>> import numpy as np
        >>> tests = [Block("test", "b", np.arange(1), np.array([x])) for x in (2.0, 5.0)]
        >>> learn = Block("train", "a", np.arange(1), np.array([1.0]))
        >>> transfer([tests[0], learn, tests[1]]).forward
        {('a', 'b'): [2.5]}
    """
    result = Transfer({}, {})
    order: dict[str, int] = {}
    met: set[str] = set()
    last: dict[str, float] = {}
    # What has been learned since each task's last evaluation: the learned task, and whether the
    # other had been learned by then.
    since: dict[str, dict[tuple[str, bool], None]] = {}
    for block in blocks:
        order.setdefault(block.task, len(order))
        if block.kind == "train":
            met.add(block.task)
            for task, learned in since.items():
                if task != block.task:
                    learned[block.task, task in met] = None
            continue
        y = terminal_performance(block)
        if block.task in last:
            value = _change(last[block.task], y, form)
            for pairs, after in ((result.forward, False), (result.backward, True)):
                sources = [t for t, was_met in since[block.task] if was_met == after]
                if sources and value is not None:
                    source = max(sources, key=order.__getitem__)
                    pairs.setdefault((source, block.task), []).append(value)
        last[block.task], since[block.task] = y, {}
    return result


def _change(x: float, y: float, form: Literal["ratio", "contrast"]) -> float | None:
    denominator = x if form == "ratio" else x + y
    if denominator == 0:
        return None
    return y / x if form == "ratio" else (y - x) / denominator
