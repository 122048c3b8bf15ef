"""Runs units on this machine, several at a time, each in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import pairwise
from typing import NamedTuple, final

import psutil

from ..stopping import Stopped, signals_raise
from .folder import SweepFolder
from .launch import start_unit
from .units import Unit

ATTEMPTS = 3
"""How often a unit is started that the system kills, as it does where memory ends."""


def count_cores() -> list[int]:
    """Return the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def share_cores(cores: Sequence[int], workers: int) -> list[list[int]]:
    """Return the cores of each worker: as many for each, none for two, if there are enough.

    Args:
        cores: their numbers.
        workers: how many units run at a time.

    Example:
        >>> share_cores([0, 1, 2, 3, 4], 2)
        [[0, 1], [2, 3, 4]]
        >>> share_cores([0, 1], 3)
        [[0], [1], [0]]
    """
    if workers > len(cores):
        return [[cores[worker % len(cores)]] for worker in range(workers)]
    ends = [worker * len(cores) // workers for worker in range(workers + 1)]
    return [list(cores[a:b]) for a, b in pairwise(ends)]


def run_locally(
    sweep: SweepFolder,
    units: Sequence[Unit],
    workers: int,
    reserve: float,
    look: Callable[[], None],
    every: float = 1.0,
) -> None:
    """Run units until none is left, whatever becomes of each.

    Args:
        sweep: the sweep they are of.
        units: those to run, the first first.
        workers: how many run at a time.
        reserve: gigabytes of memory to keep free: no unit starts while less is, and the newest
            is stopped, and started again later, while less than half of it is.
        look: called every now and then.
        every: seconds from one look to the next.

    Raises:
        Stopped: by SIGINT or SIGTERM. All units have stopped then, and after whatever `look`
            raises.
    """
    crew = _Crew(sweep, share_cores(count_cores(), workers), reserve * 1e9)
    with ThreadPoolExecutor(workers) as pool, signals_raise():
        waiting = {pool.submit(crew.run, unit) for unit in units}
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=every, return_when=FIRST_COMPLETED)
                for one in done:
                    one.result()
                crew.watch_memory()
                look()
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            crew.stop()
            if isinstance(error, Stopped):
                print("stopping: units write checkpoints; once more to kill", file=sys.stderr)
            try:
                pool.shutdown()
            except Stopped:
                crew.kill()
            raise


class _Running(NamedTuple):
    process: subprocess.Popen[bytes]
    share: int


@final
class _Crew:
    """The units that run now."""

    def __init__(self, sweep: SweepFolder, shares: list[list[int]], reserve: float) -> None:
        self._sweep = sweep
        self._shares = shares
        self._reserve = reserve
        self._running: dict[str, _Running] = {}
        self._postponed: set[str] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def run(self, unit: Unit) -> None:
        """Run one unit to its end; it is started again if the system kills it."""
        attempts = 0
        while attempts < ATTEMPTS and not self._stopping.is_set():
            process = self._start(unit)
            if process is None:
                continue
            try:
                code = process.wait()
            finally:
                if process.stdin is not None:
                    process.stdin.close()
                with self._lock:
                    del self._running[unit.name]
            postponed = unit.name in self._postponed
            self._postponed.discard(unit.name)
            if code >= 0 and not postponed:
                return
            attempts += not postponed

    def stop(self) -> None:
        """Ask all units to stop, and start no other."""
        self._stopping.set()
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End all units at once."""
        self._signal(signal.SIGKILL)

    def watch_memory(self) -> None:
        """Stop the newest unit for a while if memory comes to its end and it is not alone."""
        if self._memory() > self._reserve / 2:
            return
        with self._lock:
            newest = list(self._running)[-1:] if len(self._running) > 1 else []
            for name in newest:
                if name not in self._postponed:
                    self._postponed.add(name)
                    self._running[name].process.terminate()

    def _start(self, unit: Unit) -> subprocess.Popen[bytes] | None:
        with self._lock:
            alone = not self._running
            if not self._stopping.is_set() and (alone or self._memory() > self._reserve):
                taken = [one.share for one in self._running.values()]
                share = next(i for i in range(len(self._shares)) if i not in taken)
                process = start_unit(self._sweep, unit, self._shares[share])
                self._running[unit.name] = _Running(process, share)
                return process
        self._stopping.wait(1)
        return None

    def _signal(self, number: int) -> None:
        with self._lock:
            for one in self._running.values():
                one.process.send_signal(number)

    @staticmethod
    def _memory() -> float:
        return float(psutil.virtual_memory().available)
