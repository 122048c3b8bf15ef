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

    Each thread takes the next job that is left. So neither a copy that is slow to step nor a helper
    that is slow to wake, on a busy machine, keeps the others waiting. Jobs run beside each other
    only while they let go of the interpreter's lock, as MuJoCo's do.

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
        self._numbers: deque[int] = deque()
        self._calls: SimpleQueue[bool] = SimpleQueue()
        self._reports: SimpleQueue[BaseException | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._outstanding = 0

    def run(self) -> None:
        """Carry out every job once; an error in a helper is raised here."""
        self._settle()
        if not self._threads:
            self._start()
        self._numbers.extend(range(self._n_jobs))
        self._outstanding = self._n_jobs
        for _ in self._threads:
            if self._calls.qsize() < self._n_helpers:
                self._calls.put(True)
        try:
            self._take_part()
        finally:
            self._settle()

    def dismiss(self) -> None:
        """Tell the helpers to stop, without waiting for it."""
        for _ in self._threads:
            self._calls.put(False)

    def close(self) -> None:
        """Stop the helpers."""
        self.dismiss()
        for thread in self._threads:
            thread.join()
        self._threads = []

    def _start(self) -> None:
        for _ in range(self._n_helpers):
            arguments = (self._job, self._numbers, self._calls, self._reports)
            thread = threading.Thread(target=_help, args=arguments, daemon=True)
            thread.start()
            self._threads.append(thread)

    def _take_part(self) -> None:
        try:
            while (number := _take(self._numbers)) is not None:
                self._outstanding -= 1
                self._job(number)
        except BaseException:
            while _take(self._numbers) is not None:
                self._outstanding -= 1
            raise

    def _settle(self) -> None:
        """Wait for the jobs that helpers have taken; a helper that is still asleep has none."""
        error = None
        while self._outstanding:
            error = self._reports.get() or error
            self._outstanding -= 1
        if error is not None:
            raise error


def _take(numbers: deque[int]) -> int | None:
    try:
        return numbers.popleft()
    except IndexError:
        return None


def _help(
    job: Callable[[int], None],
    numbers: deque[int],
    calls: SimpleQueue[bool],
    reports: SimpleQueue[BaseException | None],
) -> None:
    while calls.get():
        while (number := _take(numbers)) is not None:
            try:
                job(number)
            except BaseException as error:
                reports.put(error)
            else:
                reports.put(None)
