"""Tells a report which runs a sweep will have, and has not yet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...wrappers.errors import SettingsError
from .folder import LIST, SWEEPS, SweepFolder
from .seeds import FIRST_TUNING_SEED


def missing_units(paths: Sequence[Path]) -> list[str]:
    """Return a sentence for each group of units below some folders that are not finished.

    Args:
        paths: what a report is on: folders of runs, or single runs.
    """
    notes = []
    asked = [path.resolve() for path in paths]
    for sweep in sweeps_of(asked):
        try:
            units = sweep.read()
        except SettingsError as error:
            notes.append(str(error))
            continue
        missing: dict[tuple[str, str, str], list[str]] = {}
        for unit in units:
            folder = (sweep.runs_folder / unit.folder).resolve()
            state = sweep.state(unit)
            of_interest = any(folder.is_relative_to(path) for path in asked)
            if of_interest and state.word != "finished":
                missing.setdefault(unit.arm, []).append(f"{unit.seed} ({state.word})")
        for (stream, label, short), seeds in missing.items():
            n_units = sum(unit.arm == (stream, label, short) for unit in units)
            notes.append(
                f"the sweep {sweep.name} is not complete: {label} {short} in {stream} lacks "
                f"{len(seeds)} of {n_units} seeds: {', '.join(seeds)}"
            )
    return notes


def sweeps_of(paths: Sequence[Path]) -> list[SweepFolder]:
    """Return the sweeps whose runs may lie below some folders, each once.

    Args:
        paths: folders of runs, or single runs.
    """
    found: dict[Path, SweepFolder] = {}
    for path in paths:
        for place in (path, *path.parents):
            for file in sorted((place / SWEEPS).glob(f"*/{LIST}")):
                found[file.parent] = SweepFolder(file.parent)
    return list(found.values())


def without_tuning(folders: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Leave out runs of tuning seeds, unless there are no others.

    Args:
        folders: of the runs.

    Returns:
        Those to report on, and a sentence if any is left out.
    """
    tuning = [folder for folder in folders if _seed(folder) >= FIRST_TUNING_SEED]
    if not tuning or len(tuning) == len(folders):
        return list(folders), []
    return [folder for folder in folders if folder not in tuning], [
        f"{len(tuning)} runs of seeds for tuning are left out"
    ]


def _seed(folder: Path) -> int:
    digits = folder.name.removeprefix("seed_")
    return int(digits) if digits.isdigit() else -1
