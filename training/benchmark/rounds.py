"""Times several things in turn, round by round, and leaves out rounds of a disturbed machine."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from ...wrappers.errors import SettingsError
from .. import run

TOLERANCE = 0.1
"""A round counts if the machine was never slower than its best by more than this share."""

_SIZE = 256


class Reading(NamedTuple):
    """What one candidate took in one round.

    Attributes:
        wall: seconds by the clock.
        cpu: seconds of processors, in all threads and child processes.
        world: seconds of `wall` in which worlds were stepped, where a candidate tells them.
        update: seconds of `wall` in which networks were updated, where a candidate tells them.
    """

    wall: float
    cpu: float
    world: float = 0.0
    update: float = 0.0


class Round(NamedTuple):
    """One turn of all candidates.

    Attributes:
        machine: billions of floating-point operations a second in products of matrices, before
            each candidate and after the last.
        readings: by candidate.
    """

    machine: tuple[float, ...]
    readings: dict[str, Reading]


@dataclass
class Rounds:
    """Rounds of the same candidates on the same machine.

    Example:
        >>> quiet, busy = (Round((100.0, end), {"a": Reading(1.0, 1.0)}) for end in (98.0, 60.0))
        >>> rounds = Rounds([quiet, busy])
        >>> len(rounds.accepted()), len(rounds.rejected())
        (1, 1)
    """

    all: list[Round] = field(default_factory=list)

    def accepted(self) -> list[Round]:
        """Return the rounds in which the machine was as fast as it can be."""
        return [one for one in self.all if min(one.machine) >= (1 - TOLERANCE) * self.best()]

    def best(self) -> float:
        """Return the highest speed of the machine that was seen."""
        return max((max(one.machine) for one in self.all), default=0.0)

    def rejected(self) -> list[Round]:
        """Return the other rounds."""
        accepted = self.accepted()
        return [one for one in self.all if one not in accepted]

    @property
    def candidates(self) -> list[str]:
        """What was timed."""
        return list(self.all[0].readings)

    def used(self) -> list[Round]:
        """Return the accepted rounds, or all if none is."""
        return self.accepted() or self.all

    def median(self, value: Callable[[dict[str, Reading]], float]) -> float:
        """Return the median over the rounds of a value computed in each."""
        return median(value(one.readings) for one in self.used())

    def machine(self) -> float:
        """Return the median of the machine's speed."""
        return median(rate for one in self.used() for rate in one.machine)


def run_rounds(
    candidates: Mapping[str, Callable[[], Any]],
    wanted: int,
    most: int,
    speed: Callable[[], float],
    waits: int = 20,
    tell: Callable[[str], None] = print,
) -> Rounds:
    """Time candidates in turn until enough rounds are accepted, or there are too many.

    Each candidate is called once before the first round. Every other round goes backward, so that
    none always follows the same one. A round waits a moment while the machine is disturbed.

    Args:
        candidates: what to time, by name; one that returns a `Reading` is believed.
        wanted: accepted rounds after which to stop.
        most: rounds after which to stop in any case.
        speed: measures how fast the machine is.
        waits: half seconds that a round waits at most.
        tell: is told of each round.
    """
    rounds = Rounds()
    names = list(candidates)
    for name in names:
        candidates[name]()
    while len(rounds.accepted()) < wanted and len(rounds.all) < most:
        machine = [_calm(speed, rounds, waits)]
        readings = {}
        for name in names:
            readings[name] = _time(candidates[name])
            machine.append(speed())
        rounds.all.append(Round(tuple(machine), readings))
        names.reverse()
        rates = f"{min(machine):.0f} to {max(machine):.0f}"
        tell(f"round {len(rounds.all)}: machine at {rates} GFLOP/s, {verdict(rounds)}")
    return rounds


def _calm(speed: Callable[[], float], rounds: Rounds, waits: int) -> float:
    """Wait until the machine is as fast as it was at its best, but not for ever."""
    rate = speed()
    for _ in range(waits):
        if not rounds.all or rate >= (1 - TOLERANCE) * rounds.best():
            break
        time.sleep(0.5)
        rate = speed()
    return rate


def verdict(rounds: Rounds) -> str:
    """Say how many rounds there are, and how many of them were left out."""
    accepted, rejected = len(rounds.accepted()), len(rounds.rejected())
    return f"{accepted} accepted, {rejected} rejected"


def machine_speed(seconds: float = 0.1, n_threads: int = 2) -> float:
    """Measure products of matrices in some threads at once, in billions of operations a second.

    Args:
        seconds: how long.
        n_threads: threads, each of which uses one core.
    """
    import torch

    matrix = torch.ones(_SIZE, _SIZE)

    def multiply(until: float) -> int:
        torch.set_num_threads(1)  # it holds for the thread that says it
        count = 0
        while not count or time.perf_counter() < until:
            torch.mm(matrix, matrix)
            count += 1
        return count

    started = time.perf_counter()
    with ThreadPoolExecutor(n_threads) as pool:
        counts = list(pool.map(multiply, [started + seconds] * n_threads))
    return sum(counts) * 2 * _SIZE**3 / (time.perf_counter() - started) / 1e9


def write_record(file: Path, head: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a record as JSON lines: what was measured where and how, then the figures.

    Args:
        file: what to write; its folder is made where it is missing.
        head: what the first line says beside command, date, versions and machine.
        rows: the other lines.
    """
    stamp = run.stamp()
    stamp["machine"] = {
        "system": platform.system(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg() if hasattr(os, "getloadavg") else None,
    }
    lines = [json.dumps(line) for line in ({**head, **stamp}, *rows)]
    file.parent.mkdir(parents=True, exist_ok=True)
    run.write_atomically(file, "\n".join(lines) + "\n")


def known_rows(output: Path | None, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a record that is to be gone on with; none where there is none.

    Args:
        output: the record.
        settings: what its head must say under "settings".

    Raises:
        SettingsError: it is no record, or of another experiment.
    """
    if output is None or not output.exists():
        return []
    try:
        head, *rows = map(json.loads, output.read_text(encoding="utf-8").splitlines())
        same = head["settings"] == settings
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise SettingsError(f"--output {output} is no record: {error}") from error
    if not same:
        raise SettingsError(f"--output {output} holds other settings: choose another file")
    return rows


def complete_record(
    output: Path | None,
    head: Mapping[str, Any],
    column: str,
    names: Sequence[str],
    seeds: Sequence[int],
    make: Callable[[str, int], dict[str, Any]],
) -> list[dict[str, Any]]:
    """Make the rows that a record lacks, write it after each, and return all of them.

    Seed after seed, so that whoever stops has all agents of some.

    Args:
        output: the record; None: nothing is read or written.
        head: the experiment, and under "settings" what tells it from others.
        column: what the rows tell agents apart by.
        names: of the agents, as in that column.
        seeds: of each of them.
        make: trains one agent, and returns its row.

    Raises:
        SettingsError: the record is of another experiment.
    """
    from tqdm import tqdm

    rows = known_rows(output, head["settings"])
    done = {(row[column], row["seed"]) for row in rows}
    due = [(name, seed) for seed in seeds for name in names if (name, seed) not in done]
    with tqdm(total=len(due), unit="agent") as progress:
        for name, seed in due:
            progress.set_description(f"seed {seed}, {name}")
            rows.append(make(name, seed))
            progress.update()
            if output is not None:
                write_record(output, head, rows)
    return rows


def _time(candidate: Callable[[], Any]) -> Reading:
    cpu, started = _cpu_seconds(), time.perf_counter()
    told = candidate()
    if isinstance(told, Reading):
        return told
    return Reading(time.perf_counter() - started, _cpu_seconds() - cpu)


def _cpu_seconds() -> float:
    """Add up this process's threads and, where the system tells of them, its children."""
    total = time.process_time()
    for child in multiprocessing.active_children():
        stat = Path(f"/proc/{child.pid}/stat")
        if stat.exists():
            user, system = stat.read_text().rpartition(")")[2].split()[11:13]
            total += (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return total


def _processor() -> str:
    names = Path("/proc/cpuinfo")
    for line in names.read_text().splitlines() if names.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
