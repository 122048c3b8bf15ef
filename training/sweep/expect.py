"""How long a sweep will take, and how much room: measured by what has run, or guessed."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..run import ITERATIONS
from .folder import State
from .units import Unit

GUESSED_RATES = {"ppo": 700.0, "sac": 60.0}
"""Environment steps a second of one core, where nothing alike has run here."""

GUESSED_BYTES = {"ppo": 12e6, "sac": 30e6}
"""Bytes of a run folder without replay, where nothing alike has run here."""

GUESSED_TRANSITION = 1000.0
"""Bytes of a transition kept for replay: of Ant's 105 observations, twice, and the rest."""

_LONGEST_ROWS = 2**17


@dataclass(frozen=True)
class Expected:
    """What a unit is expected to need."""

    rate: float
    """Environment steps a second."""

    size: float
    """Bytes on disk at its end."""

    measured: bool
    """Whether a run like it was measured here; it is a guess otherwise."""


def expect(unit: Unit, runs_folder: Path) -> Expected:
    """Return what a unit is expected to need, by the longest run that is most like it.

    Args:
        unit: of a sweep.
        runs_folder: the folder of all runs.
    """
    alike = (runs_folder / unit.folder).parent
    for place in (alike.glob("seed_*"), alike.parent.glob("*/seed_*")):
        measured = [found for folder in sorted(place) if (found := _measure(folder))]
        if measured:
            _, rate, size = max(measured)
            return Expected(rate, size, True)
    size = GUESSED_BYTES.get(unit.agent, max(GUESSED_BYTES.values()))
    kept = min(int(unit.settings.get("buffer_size", 0)), unit.total_steps)
    rate = GUESSED_RATES.get(unit.agent, min(GUESSED_RATES.values()))
    return Expected(rate, size + kept * GUESSED_TRANSITION, False)


def expect_seconds(
    units: Sequence[Unit], states: Sequence[State], expected: Sequence[Expected], workers: int
) -> float:
    """Return how long what is left of a sweep will take; what has failed is not left.

    Args:
        units: of the sweep.
        states: how far each has come.
        expected: what each needs.
        workers: how many units run at a time.
    """
    left = [
        max(unit.total_steps - state.steps, 0) / (state.rate or needs.rate)
        for unit, state, needs in zip(units, states, expected, strict=True)
        if state.word not in ("finished", "failed")
    ]
    # The last units run beside idle workers.
    return max([sum(left) / max(workers, 1), *left]) if left else 0.0


def _measure(folder: Path) -> tuple[int, float, float] | None:
    """Return steps, steps a second and bytes of a run; None if it has not come far enough."""
    try:
        row = _last_row(folder / ITERATIONS)
        rate, steps = float(row["time/fps"]), int(row["step"])
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    except (OSError, ValueError, LookupError):
        return None
    return (steps, rate, float(size)) if rate > 0 else None


def _last_row(file: Path) -> dict[str, str]:
    """Return the last whole row of a table, which may be long, without reading all of it."""
    with file.open("rb") as table:
        header = table.readline()
        table.seek(max(len(header), file.stat().st_size - _LONGEST_ROWS))
        rows = table.read().splitlines(keepends=True)
    last = [row for row in rows if row.endswith(b"\n")][-1]
    columns, values = next(csv.reader([header.decode()])), next(csv.reader([last.decode()]))
    return dict(zip(columns, values, strict=True))
