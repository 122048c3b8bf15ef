"""Reads what a run wrote into its folder."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

CONTEXT_PREFIX = "context/"
STREAM_PREFIX = "stream/"


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

    changes: pd.DataFrame
    """`changes.csv`: a row for the beginning and one for each change of the stream."""

    detections: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"step": []}))
    """`detections.csv`: a row for each change that the agent noticed; none without the file."""

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

    @property
    def copies_differ(self) -> bool:
        """Whether the copies of the world ever differed: then there are no segments of them all."""
        return bool((self.iterations.get("stream/copies_differ", pd.Series(dtype=float)) > 0).any())

    @property
    def n_changes(self) -> int:
        """How often the stream changed, for all copies alike."""
        if self.copies_differ or self.changes.empty:
            return 0
        return len(self.changes) - 1 + int(self.changes["left_out"].sum())

    def segments(self) -> pd.DataFrame:
        """Return the stream's segments as the run met them; see `segments_of`."""
        known = self.changes.iloc[:0] if self.copies_differ else self.changes
        end = 0 if self.iterations.empty else int(self.iterations["step"].iloc[-1])
        return segments_of(known, end)

    def episode_segments(self) -> pd.Series:
        """Return for each episode the segment in which all of it was lived; NaN where none is."""
        if self.copies_differ:
            return pd.Series(np.nan, self.episodes.index)
        return whole_segments(self.episodes, self.changes, int(self.config["n_envs"]))


def read_run(folder: str | Path) -> Record:
    """Read a run folder, of a run that has ended or one that goes on.

    Args:
        folder: the run folder.

    Raises:
        FileNotFoundError: if a file of the run is missing.
    """
    path = Path(folder)
    noticed = path / "detections.csv"
    return Record(
        folder=path,
        config=yaml.safe_load((path / "config.yaml").read_text(encoding="utf-8")),
        status=json.loads((path / "status.json").read_text(encoding="utf-8")),
        iterations=read_table(path / "iterations.csv"),
        episodes=read_table(path / "episodes.csv"),
        changes=read_table(path / "changes.csv"),
        **({"detections": read_table(noticed)} if noticed.exists() else {}),
    )


def read_table(file: str | Path) -> pd.DataFrame:
    """Read one of a run's tables; every number is the one that was written, bit for bit.

    A last line without an end, of a run that is writing or was killed, is left out.

    Args:
        file: the table.
    """
    text = Path(file).read_bytes().decode()
    whole = text[: text.rfind("\n") + 1] or text
    # pandas' own parser of numbers may miss the last bit, or warns, by its version.
    return pd.read_csv(io.StringIO(whole), dtype=object).apply(_numbers)


def _numbers(column: pd.Series) -> pd.Series:
    for kind in (int, float):
        try:
            return column.astype(kind)
        except ValueError:
            continue
    return column


def segments_of(changes: pd.DataFrame, end: int) -> pd.DataFrame:
    """Return the stream's segments whose begin and end are known: one row a segment.

    Args:
        changes: the table of changes.
        end: environment steps that the run took; of what begins there nothing was lived.

    Returns:
        The columns `segment`, `start` and `end` (global environment steps) and `context` (a dict
        from each knob to its value); no row where the run knew of no stream.

    Example:
        >>> rows = {"step": [0, 150], "segment": [0, 1], "left_out": [0, 0],
        ...         "context/friction": [1.0, 0.1]}
        >>> segments_of(pd.DataFrame(rows), end=200)[["segment", "start", "end"]].values.tolist()
        [[0, 0, 150], [1, 150, 200]]
    """
    knobs = {name: name.removeprefix(CONTEXT_PREFIX) for name in context_columns(changes)}
    rows = pd.DataFrame(
        {
            "segment": changes["segment"],
            "start": changes["step"],
            "end": changes["step"].shift(-1, fill_value=end),
            "context": changes[list(knobs)].rename(columns=knobs).to_dict("records"),
        }
    )
    complete = changes["left_out"].shift(-1, fill_value=0) == 0
    return rows[complete & (rows["start"] < rows["end"])].reset_index(drop=True)


def whole_segments(episodes: pd.DataFrame, changes: pd.DataFrame, n_envs: int) -> pd.Series:
    """Return for each episode the segment in which all of it was lived; NaN where none is.

    Args:
        episodes: the table of episodes.
        changes: the table of changes.
        n_envs: copies of the world.

    Example:
        >>> episodes = {"step": [8, 14, 18], "length": [8, 6, 4], "segment": [0, 1, 1]}
        >>> changes = {"step": [0, 10], "segment": [0, 1]}
        >>> whole_segments(pd.DataFrame(episodes), pd.DataFrame(changes), n_envs=1).tolist()
        [0.0, nan, 1.0]
    """
    starts = changes.drop_duplicates("segment").set_index("segment")["step"]
    begun = episodes["step"] - episodes["length"] * n_envs
    return episodes["segment"].astype(float).where(begun >= episodes["segment"].map(starts))


def context_columns(table: pd.DataFrame) -> list[str]:
    """Return the columns of a table that hold knobs.

    Args:
        table: of changes or of episodes.
    """
    return [name for name in table if name.startswith(CONTEXT_PREFIX)]
