from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from stable_baselines3.common.monitor import load_results

from everlearn.evaluation.exports.monitor import export_monitor
from everlearn.evaluation.records import read_run


def test_stable_baselines3_reads_it(make_run: Any, tmp_path: Path) -> None:
    record = make_run([1.0, 2.0])
    files = export_monitor(record, tmp_path / "out")
    assert [file.name for file in files] == ["0.monitor.csv", "1.monitor.csv"]
    table = load_results(str(tmp_path / "out"))
    assert len(table) == len(record.episodes)
    assert sorted(table["r"]) == sorted(record.episodes["return"])
    assert table["l"].sum() == record.episodes["length"].sum()
    # 50 steps a second.
    np.testing.assert_allclose(sorted(table["t"]), record.episodes["step"] / 50)


def test_a_run_without_episodes_and_times_is_read_too(make_run: Any, tmp_path: Path) -> None:
    record = make_run([1.0])
    for name in ("episodes", "iterations"):
        table = pd.read_csv(record.folder / f"{name}.csv")
        kept = table.iloc[:0] if name == "episodes" else table.drop(columns="time/time_elapsed")
        kept.to_csv(record.folder / f"{name}.csv", index=False)
    (record.folder / "stamp.json").unlink()
    export_monitor(read_run(record.folder), tmp_path / "out")
    assert load_results(str(tmp_path / "out")).empty
