"""Episodes as stable-baselines3's Monitor writes them."""

from __future__ import annotations

import json
from pathlib import Path

from ..records import Record
from .times import seconds_at, start_of


def export_monitor(record: Record, folder: str | Path) -> list[Path]:
    """Write a run's episodes as `<copy>.monitor.csv`, one file a copy of the world.

    `stable_baselines3.common.monitor.load_results(folder)` reads them, and with it that package's
    and others' plots. The time of an episode is taken from those of the iterations around it.

    Args:
        record: the run.
        folder: where to write; files of these names are replaced.

    Returns:
        The files; of a run without a finished episode, one without rows.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    about = {"t_start": start_of(record).timestamp(), "env_id": record.stream}
    table = record.episodes[["return", "length"]].rename(columns={"return": "r", "length": "l"})
    table = table.assign(t=seconds_at(record, record.episodes["step"]).round(6))
    files = []
    for copy in sorted(record.episodes["env"].unique()) or [0]:
        file = place / f"{int(copy)}.monitor.csv"
        rows = table[record.episodes["env"] == copy].to_csv(index=False, lineterminator="\n")
        file.write_text(f"#{json.dumps(about)}\n{rows}", encoding="utf-8")
        files.append(file)
    return files
