"""Shows how far a sweep has come: a table that stays in its place, or a line now and then."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import get_args

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..terminal import plain_table
from .expect import Expected, expect, expect_seconds
from .folder import State, SweepFolder, Word
from .units import Unit

WORDS: tuple[Word, ...] = get_args(Word)
COLUMNS = ("stream", "agent", *WORDS, "steps", "steps/s")


@dataclass(frozen=True)
class Look:
    """A sweep at one moment."""

    sweep: SweepFolder
    """Where it is written down."""

    units: tuple[Unit, ...]
    """Its units."""

    states: tuple[State, ...]
    """How far each has come."""

    @classmethod
    def at(cls, sweep: SweepFolder, units: Sequence[Unit] | None = None) -> Look:
        """Look at a sweep now.

        Args:
            sweep: where it is written down.
            units: its units; read from there by default.
        """
        units = sweep.read() if units is None else tuple(units)
        now = time.time()
        return cls(sweep, units, tuple(sweep.state(unit, now) for unit in units))

    def count(self, word: Word) -> int:
        """Return how many units are in a state."""
        return sum(state.word == word for state in self.states)

    @property
    def complete(self) -> bool:
        """Whether every unit is finished."""
        return self.count("finished") == len(self.units)

    @property
    def rate(self) -> float:
        """Environment steps a second, of all that runs."""
        return sum(state.rate for state in self.states)

    def rows(self) -> list[list[str]]:
        """Return the table's rows, one for units that differ in their seed alone."""
        arms: dict[tuple[str, ...], list[tuple[Unit, State]]] = {}
        for unit, state in zip(self.units, self.states, strict=True):
            arms.setdefault(unit.arm, []).append((unit, state))
        names = Counter(arm[:2] for arm in arms)
        rows = []
        for (stream, label, short), members in arms.items():
            words = Counter(state.word for _, state in members)
            steps = sum(min(state.steps, unit.total_steps) for unit, state in members)
            share = steps / sum(unit.total_steps for unit, _ in members)
            rate = sum(state.rate for _, state in members)
            alone = names[stream, label] == 1
            rows.append(
                [
                    stream.removeprefix("everlearn/"),
                    label if alone else f"{label} {short}",
                    *(str(words[word] or "") for word in WORDS),
                    f"{share:.0%}",
                    f"{rate:,.0f}" if rate else "",
                ]
            )
        return rows

    def sentence(self, expected: Sequence[Expected], workers: int) -> str:
        """Say in a line how far the sweep is, and when it will end.

        Args:
            expected: what each unit needs.
            workers: how many run at a time.
        """
        told = [f"{self.count('finished')} of {len(self.units)} finished"]
        told += [f"{self.count(word)} {word}" for word in WORDS[1:] if self.count(word)]
        if self.rate:
            told.append(f"{self.rate:,.0f} steps/s")
        seconds = expect_seconds(self.units, self.states, expected, workers)
        if seconds:
            end = datetime.now().astimezone() + timedelta(seconds=seconds)
            told.append(f"about {say_time(seconds)} left, until {end:%a %H:%M}")
        return ", ".join(told)

    def problems(self) -> list[str]:
        """Return a sentence for each unit that failed, and one for a full disk."""
        told = [
            f"failed: {unit.folder}: {state.error} (log: {self.sweep.log(unit)})"
            for unit, state in zip(self.units, self.states, strict=True)
            if state.word == "failed"
        ]
        if shutil.disk_usage(self.sweep.runs_folder).free < 1e6:
            told.append(f"the disk of {self.sweep.runs_folder} is full")
        return told


def say_time(seconds: float) -> str:
    """Say a time in the units that people use.

    Example:
        >>> say_time(42), say_time(3000), say_time(20_000), say_time(400_000)
        ('42 s', '50 min', '5 h 33 min', '4 d 15 h')
    """
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if not minutes:
        return f"{seconds:.0f} s"
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if not days else f"{days} d {hours % 24} h"


def say_size(size: float) -> str:
    """Say a number of bytes in units that people use.

    Example:
        >>> say_size(12e6), say_size(3.2e9)
        ('12 MB', '3.2 GB')
    """
    return f"{size / 1e6:,.0f} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB"


class Watch:
    """Shows a sweep while it runs.

    Args:
        sweep: where it is written down.
        units: its units.
        workers: how many run at a time.
        console: where to show it; standard output by default.
    """

    def __init__(
        self,
        sweep: SweepFolder,
        units: Sequence[Unit],
        workers: int,
        console: Console | None = None,
    ) -> None:
        self._sweep = sweep
        self._units = tuple(units)
        self._workers = workers
        self._console = Console(highlight=False) if console is None else console
        self._live: Live | None = None
        self._expected = self._expect()
        self._said: tuple[int, ...] = ()

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Keep a table on the terminal, if it is one, for as long as this lasts."""
        if not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, auto_refresh=False) as self._live:
            self.look()
            yield
            self.look()

    def look(self) -> None:
        """Look again, and show what is new."""
        look = Look.at(self._sweep, self._units)
        words = tuple(look.count(word) for word in WORDS)
        done = words[0] + words[-1]
        if self._live is None and self._said and done == self._said[0] + self._said[-1]:
            return
        if words != self._said:
            # What has ended tells what others will need.
            self._expected = self._expect()
        self._said = words
        sentence = look.sentence(self._expected, look.count("running") or self._workers)
        if self._live is None:
            self._console.out(sentence)
        else:
            problems = [Text(text, style="red") for text in look.problems()]
            self._live.update(Group(_table(look.rows()), Text(sentence), *problems), refresh=True)

    def _expect(self) -> list[Expected]:
        arms = {unit.arm: unit for unit in self._units}
        found = {arm: expect(unit, self._sweep.runs_folder) for arm, unit in arms.items()}
        return [found[unit.arm] for unit in self._units]


def print_look(look: Look, workers: int) -> None:
    """Print a sweep as it is now.

    Args:
        look: at the sweep.
        workers: how many units run at a time, where none does.
    """
    console = Console(highlight=False)
    expected = [expect(unit, look.sweep.runs_folder) for unit in look.units]
    if console.is_terminal:
        console.print(_table(look.rows()))
    else:
        print(plain_table(COLUMNS, look.rows(), COLUMNS[2:]))
    print(look.sentence(expected, look.count("running") or workers))
    for problem in look.problems():
        print(problem)


def _table(rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in COLUMNS:
        numeric = column in COLUMNS[2:]
        table.add_column(column, justify="right" if numeric else "left", no_wrap=numeric)
    for row in rows:
        table.add_row(*row)
    return table
