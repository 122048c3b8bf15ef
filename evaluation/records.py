"""Reads what a run wrote into its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

CONTEXT_PREFIX = "context/"
STREAM_PREFIX = "stream/"
_NOT_CONTEXT = ("stream/segment", "stream/steps_since_change")


@dataclass(frozen=True)
class Record:
    """What one run wrote."""

    folder: Path
    """The run folder."""

    config: dict[str, Any]
    """`config.yaml`: the settings, with nothing left to be filled in."""

    status: dict[str, Any]
    """`status.json`: the state, steps and iterations."""

    iterations: pd.DataFrame
    """`iterations.csv`: a row an iteration."""

    episodes: pd.DataFrame
    """`episodes.csv`: a row a finished episode."""

    @property
    def stream(self) -> str:
        """The stream's name."""
        return str(self.config["stream"]["name"])

    @property
    def agent(self) -> str:
        """The agent's name with those of its methods."""
        methods = [method["name"] for method in self.config["methods"]]
        return " + ".join([self.config["agent"], *methods])

    @property
    def seed(self) -> int:
        """The run's seed."""
        return int(self.config["seed"])

    def segments(self) -> pd.DataFrame:
        """Return the stream's segments as the run met them; see `segments_of`."""
        return segments_of(self.iterations)


def read_run(folder: str | Path) -> Record:
    """Read a run folder, of a run that has ended or one that goes on.

    Args:
        folder: the run folder.

    Raises:
        FileNotFoundError: if a file of the run is missing.
    """
    path = Path(folder)
    return Record(
        folder=path,
        config=yaml.safe_load((path / "config.yaml").read_text(encoding="utf-8")),
        status=json.loads((path / "status.json").read_text(encoding="utf-8")),
        iterations=read_table(path / "iterations.csv"),
        episodes=read_table(path / "episodes.csv"),
    )


def read_table(file: str | Path) -> pd.DataFrame:
    """Read one of a run's tables; every number is the one that was written, bit for bit.

    Args:
        file: the table.
    """
    # pandas' own parser of numbers may miss the last bit, or warns, by its version.
    return pd.read_csv(file, dtype=object).apply(_numbers)


def _numbers(column: pd.Series) -> pd.Series:
    for kind in (int, float):
        try:
            return column.astype(kind)
        except ValueError:
            continue
    return column


def segments_of(iterations: pd.DataFrame) -> pd.DataFrame:
    """Return the stream's segments, as far as iterations tell: one row a segment.

    A segment in which no iteration ended is not seen.

    Args:
        iterations: the table of iterations.

    Returns:
        The columns `segment`, `start` and `end` (global environment steps) and `context` (a dict
        from each knob to its value); no row where the run knew of no stream.

    Example:
        >>> rows = {"step": [100, 200], "stream/segment": [0.0, 1.0],
        ...         "stream/steps_since_change": [100.0, 50.0], "stream/friction": [1.0, 0.1]}
        >>> segments_of(pd.DataFrame(rows))[["segment", "start", "end"]].to_numpy().tolist()
        [[0, 0, 150], [1, 150, 200]]
    """
    columns = ["segment", "start", "end", "context"]
    if "stream/segment" not in iterations or iterations.empty:
        return pd.DataFrame(columns=columns)
    knobs = [
        name for name in iterations if name.startswith(STREAM_PREFIX) and name not in _NOT_CONTEXT
    ]
    first = iterations.drop_duplicates("stream/segment")
    starts = (first["step"] - first["stream/steps_since_change"]).round().astype(int).tolist()
    ends = [*starts[1:], int(iterations["step"].iloc[-1])]
    contexts = [
        {name.removeprefix(STREAM_PREFIX): value for name, value in row.items()}
        for row in first[knobs].to_dict("records")
    ]
    # Copies with clocks of their own make the mean a fraction; only whole numbers are segments.
    segments = first["stream/segment"].round().astype(int).tolist()
    return pd.DataFrame(
        {"segment": segments, "start": starts, "end": ends, "context": contexts}, columns=columns
    )
