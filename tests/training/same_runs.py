"""Tells whether two runs ended as one."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tensorboard.backend.event_processing import event_accumulator  # type: ignore[import-untyped]


def compare_runs(ours: Path, theirs: Path) -> None:
    """Compare all that two runs leave behind, but for what the clock says.

    Args:
        ours: the folder of a run that is finished.
        theirs: that of another.
    """
    tables = sorted(file.name for file in ours.glob("*.csv"))
    assert tables == sorted(file.name for file in theirs.glob("*.csv"))
    assert {"iterations.csv", "episodes.csv", "evaluations.csv", "changes.csv"} <= {*tables}
    for table in tables:
        assert _timeless_table(ours / table) == _timeless_table(theirs / table), table
    assert repr(_scalars(ours)) == repr(_scalars(theirs))
    compare_weights(ours, theirs)


def compare_weights(ours: Path, theirs: Path) -> None:
    """Compare all tensors of the agents that two runs have trained.

    Args:
        ours: the folder of a run that is finished.
        theirs: that of another.
    """
    first, second = (dict(_leaves(_tensors(folder))) for folder in (ours, theirs))
    assert first.keys() == second.keys()
    for name, value in first.items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(value, second[name], rtol=0, atol=0, equal_nan=True)
        else:
            assert repr(value) == repr(second[name]), name


def _leaves(data: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what nested dictionaries and lists hold."""
    if not isinstance(data, (dict, list, tuple)):
        yield name, data
        return
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        yield from _leaves(value, f"{name}/{key}")


def _tensors(folder: Path) -> dict[str, Any]:
    with zipfile.ZipFile(folder / "model.zip") as file:
        names = [name for name in file.namelist() if name.endswith(".pth")]
        return {name: torch.load(io.BytesIO(file.read(name)), weights_only=True) for name in names}


def _timeless_table(file: Path) -> list[list[str]]:
    rows = [line.split(",") for line in file.read_text().splitlines()]
    kept = [index for index, name in enumerate(rows[0]) if not name.startswith("time/")]
    return [[row[index] for index in kept] for row in rows]


def _scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    read = event_accumulator.EventAccumulator(str(folder), {"scalars": 0}).Reload()
    return {
        tag: [(scalar.step, scalar.value) for scalar in read.Scalars(tag)]
        for tag in read.Tags()["scalars"]
        if not tag.startswith("time/")
    }
