"""What `scripts/report.py` does: one page about many runs.

Nothing heavy is imported here, so that the script can answer `--help` at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ..wrappers.errors import SettingsError


@dataclass(frozen=True)
class MakeReport:
    """Report on runs: figures, statistics, and what they allow to conclude."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Run folders, or folders that hold some, such as runs or runs/SlipperyAnt-v0."""

    output: Path = Path("report")
    """The report's folder; files of an earlier report are replaced."""

    def run(self) -> None:
        """Write the report, and say where it is.

        Raises:
            SettingsError: for a path that is not there or holds no run, runs of which none can be
                read, or a folder that cannot be written.
        """
        if not self.runs:
            raise SettingsError("report on what? Name a folder of runs, such as runs")
        from ..evaluation.report.collect import find_runs
        from ..evaluation.report.page import write_report
        from .sweep.missing import missing_units, without_tuning

        for path in self.runs:
            if not path.is_dir():
                raise SettingsError(f"there is no folder {path}")
            if not find_runs([path]):
                raise SettingsError(f"{path} holds no run: there is no config.yaml below it")
        folders, notes = without_tuning(find_runs(self.runs))
        notes += missing_units(self.runs)
        try:
            page, found = write_report(folders, self.output, notes)
        except ValueError as error:
            raise SettingsError(str(error)) from error
        except OSError as error:
            reason = error.strerror or error
            raise SettingsError(f"cannot write the report {self.output}: {reason}") from error
        for note in found.notes:
            print(f"note: {note}")
        runs = sum(len(group.runs) for stream in found.streams for group in stream.groups)
        print(f"{runs} runs in {len(found.streams)} streams")
        print(f"report: {page}")
