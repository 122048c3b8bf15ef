"""The lifelong-learning metrics of a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from .exports.l2logger import l2logger_log
from .metrics.lifelong import LifelongMetrics, lifelong_metrics
from .metrics.lifelong_blocks import Block, Ranges, preprocess, read_blocks
from .records import Record


def lifelong_run_metrics(
    record: Record,
    experts: Sequence[Record] = (),
    smoothing: bool = True,
    normalization: Literal["task", "run", "none"] = "task",
    ranges: Ranges | None = None,
) -> LifelongMetrics:
    """Measure a run as l2metrics measures what `export_l2logger` writes of it.

    Args:
        record: the run.
        experts: runs that each learned one of its tasks alone: in one context, of the same name.
        smoothing: as in `preprocess`.
        normalization: as in `preprocess`.
        ranges: by task, the lowest and the highest return, to make runs comparable; None for what
            the runs at hand reach.

    Returns:
        The metrics by task, by the names that evaluations have.
    """
    alone: dict[str, list[np.ndarray]] = {}
    for expert in experts:
        for block in _blocks(expert):
            if block.kind == "train":
                alone.setdefault(block.task, []).append(block.scores)
    blocks, scaled = preprocess(_blocks(record), alone, smoothing, normalization, ranges)
    return lifelong_metrics(blocks, scaled)


def _blocks(record: Record) -> list[Block]:
    log: pd.DataFrame = l2logger_log(record)
    return read_blocks(log.assign(task_name=log["task"]))
