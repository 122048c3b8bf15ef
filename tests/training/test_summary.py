from __future__ import annotations

from pathlib import Path

import pandas as pd

from everlearn.evaluation.records import Record
from everlearn.training.summary import summary_rows

ITERATIONS = pd.DataFrame(
    {
        "iteration": [1, 2],
        "step": [1000, 2000],
        "stream/segment": [0.0, 1.0],
        "stream/steps_since_change": [1000.0, 500.0],
        "stream/friction": [1.0, 0.02],
    }
)


def rows_of(iterations: pd.DataFrame, returns: list[float]) -> dict[str, str]:
    episodes = pd.DataFrame({"return": returns, "segment": [0] * len(returns)})
    record = Record(Path(), {}, {}, iterations, episodes)
    return dict(summary_rows(record, {"plasticity/policy/replaced_units": 12.0}, seconds=80.0))


def test_the_summary_tells_of_each_segment() -> None:
    rows = rows_of(ITERATIONS, [10.0, 20.0])
    assert rows["steps"] == "2,000"
    assert rows["time"] == "1 min 20.0 s"
    assert rows["steps per second"] == "25"
    assert rows["return, last 100 episodes"] == "15.0"
    assert rows["return, segment 0 (friction 1)"] == "15.0"
    assert rows["return, segment 1 (friction 0.02)"] == "no episode ended"
    assert rows["policy/replaced_units"] == "12"


def test_a_world_that_did_not_change_has_no_segments_to_tell() -> None:
    rows = rows_of(ITERATIONS[["iteration", "step"]], [])
    assert rows["return, last 100 episodes"] == "no episode ended"
    assert not any("segment" in name for name in rows)
