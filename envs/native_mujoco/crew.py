"""Threads that share the copies of a world between them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import final


@final
class Crew:
    """Carries out the jobs of a round, in the calling thread and in helpers that stay alive.

    Each thread takes the next job that is left, so that a copy that is slow to step delays nobody.
    Jobs run beside each other only while they let go of the interpreter's lock, as MuJoCo's do.

    The helpers start with the first round.

    Args:
        job: what to do, given the job's number. It must not refer to the owner of the crew, which
            could never be collected otherwise.
        n_jobs: jobs in a round, at least 1.
        n_threads: threads, the calling one included, at least 1.

    Example:
        >>> squares = [0, 0, 0]
        >>> def job(number):
        ...     squares[number] = number**2
        >>> crew = Crew(job, n_jobs=3, n_threads=2)
        >>> crew.run()
        >>> squares
        [0, 1, 4]
        >>> crew.close()
    """

    def __init__(self, job: Callable[[int], None], n_jobs: int, n_threads: int) -> None:
        self._job = job
        self._n_jobs = n_jobs
        self._n_helpers = min(n_threads, n_jobs) - 1
        self._rounds: SimpleQueue[deque[int] | None] = SimpleQueue()
        self._reports: SimpleQueue[BaseException | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._outstanding = 0

    def run(self) -> None:
        """Carry out every job once; an error in a helper is raised here."""
        self._settle()
        if not self._threads:
            self._start()
        numbers = deque(range(self._n_jobs))
        for _ in self._threads:
            self._rounds.put(numbers)
            self._outstanding += 1
        try:
            _take(self._job, numbers)
        finally:
            self._settle()

    def close(self) -> None:
        """Stop the helpers."""
        for _ in self._threads:
            self._rounds.put(None)
        for thread in self._threads:
            thread.join()
        self._threads = []

    def _start(self) -> None:
        for _ in range(self._n_helpers):
            arguments = (self._job, self._rounds, self._reports)
            thread = threading.Thread(target=_help, args=arguments, daemon=True)
            thread.start()
            self._threads.append(thread)

    def _settle(self) -> None:
        """Wait for the helpers; an interrupted wait is made up for by the next round's."""
        error = None
        while self._outstanding:
            error = self._reports.get() or error
            self._outstanding -= 1
        if error is not None:
            raise error


def _take(job: Callable[[int], None], numbers: deque[int]) -> None:
    while numbers:
        try:
            number = numbers.popleft()
        except IndexError:  # another thread took the last one
            return
        job(number)


def _help(
    job: Callable[[int], None],
    rounds: SimpleQueue[deque[int] | None],
    reports: SimpleQueue[BaseException | None],
) -> None:
    while (numbers := rounds.get()) is not None:
        try:
            _take(job, numbers)
        except BaseException as error:
            reports.put(error)
        else:
            reports.put(None)
