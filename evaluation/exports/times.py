"""When a run took a step, as far as it wrote that down."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
from numpy.typing import ArrayLike

from ..records import Record

_ELAPSED = "time/time_elapsed"


def start_of(record: Record) -> datetime:
    """Return when a run began; the beginning of 1970 where its folder does not say.

    Args:
        record: the run.
    """
    stamp = record.folder / "stamp.json"
    if not stamp.is_file():
        return datetime.fromtimestamp(0, UTC)
    return datetime.fromisoformat(json.loads(stamp.read_text(encoding="utf-8"))["date"])


def seconds_at(record: Record, steps: ArrayLike) -> np.ndarray:
    """Return how long after its beginning a run took steps.

    Known are the ends of iterations; between them time is taken to pass evenly.

    Args:
        record: the run.
        steps: global environment steps, (n,).

    Returns:
        Seconds, (n,); 0 where the run wrote down no times.
    """
    wanted = np.asarray(steps, dtype=float)
    if _ELAPSED not in record.iterations:
        return np.zeros(wanted.shape)
    known = record.iterations[["step", _ELAPSED]].dropna()
    return np.interp(wanted, [0.0, *known["step"]], [0.0, *known[_ELAPSED]])
