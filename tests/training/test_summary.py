from __future__ import annotations

from pathlib import Path

import pandas as pd

from everlearn.evaluation.records import Record
from everlearn.training.summary import summary_rows


def rows_of(
    n_changes: int, episodes: list[tuple[int, int, float]], copies_differ: float = 0.0
) -> list[tuple[str, str]]:
    """Return the summary of a world that changed every 1,000 steps; episodes have ten steps."""
    numbers = range(n_changes + 1)
    changes = {
        "step": [1000 * i for i in numbers],
        "segment": list(numbers),
        "left_out": [0 for _ in numbers],
        "context/friction": [1 / (i + 1) for i in numbers],
    }
    end = 1000 * (n_changes + 1)
    iterations = {"step": [end // 2, end], "stream/copies_differ": copies_differ}
    columns = ["step", "segment", "return"]
    table = pd.DataFrame(episodes, columns=columns).assign(length=10)
    record = Record(
        Path(), {"n_envs": 1}, {}, pd.DataFrame(iterations), table, pd.DataFrame(changes)
    )
    return summary_rows(record, {"plasticity/policy/replaced_units": 12.0}, seconds=80.0)


def test_the_summary_tells_of_each_segment() -> None:
    # The last episode began before the change.
    rows = dict(rows_of(1, [(400, 0, 10.0), (900, 0, 20.0), (1005, 1, 90.0)]))
    assert rows["steps"] == "2,000"
    assert rows["time"] == "1 min 20.0 s"
    assert rows["steps per second"] == "25"
    assert rows["return, last 100 episodes"] == "40.0"
    assert rows["return, segment 0 (friction 1)"] == "15.0"
    assert rows["return, segment 1 (friction 0.5)"] == "no whole episode"
    assert rows["policy/replaced_units"] == "12"


def test_of_many_segments_the_first_and_the_last_are_told() -> None:
    names = [name for name, _ in rows_of(40, []) if "segment" in name or name == "..."]
    numbers = [name.split("(")[0].removeprefix("return, segment ").strip() for name in names]
    assert numbers == ["0", "1", "2", "3", "4", "...", "36", "37", "38", "39", "40"]
    assert ("changes", "40") in rows_of(40, [])


def test_copies_that_differ_have_no_segments_to_tell() -> None:
    rows = rows_of(3, [(400, 0, 10.0)], copies_differ=1.0)
    assert ("changes", "each copy for itself") in rows
    assert not any("segment" in name for name, _ in rows)


def test_a_world_that_did_not_change_has_no_segments_to_tell() -> None:
    rows = dict(rows_of(0, []))
    assert rows["return, last 100 episodes"] == "no episode ended"
    assert not any("segment" in name or name == "changes" for name in rows)
