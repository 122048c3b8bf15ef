"""Threads that share the copies of a world between them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
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
        jobs: what to do in a round. They must not refer to the owner of the crew, which could never
            be collected otherwise.
        n_threads: threads, the calling one included, at least 1.

    Example:
        >>> done = []
        >>> crew = Crew([lambda: done.append("left"), lambda: done.append("right")], n_threads=2)
        >>> crew.run()
        >>> sorted(done)
        ['left', 'right']
        >>> crew.close()
    """

    def __init__(self, jobs: Sequence[Callable[[], object]], n_threads: int) -> None:
        self._jobs = tuple(jobs)
        self._n_helpers = min(n_threads, len(jobs)) - 1
        self._left: deque[Callable[[], object]] = deque()
        self._calls: SimpleQueue[bool] = SimpleQueue()
        self._reports: SimpleQueue[BaseException | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._outstanding = 0

    def run(self) -> None:
        """Carry out every job once; an error in a helper is raised here."""
        self._settle()
        if not self._threads:
            self._start()
        self._outstanding = len(self._jobs)
        self._left.extend(self._jobs)
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
            arguments = (self._left, self._calls, self._reports)
            thread = threading.Thread(target=_help, args=arguments, daemon=True)
            thread.start()
            self._threads.append(thread)

    def _take_part(self) -> None:
        try:
            while (job := _take(self._left)) is not None:
                self._outstanding -= 1
                job()
        except BaseException:
            while _take(self._left) is not None:
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


def _take(left: deque[Callable[[], object]]) -> Callable[[], object] | None:
    try:
        return left.popleft()
    except IndexError:
        return None


def _help(
    left: deque[Callable[[], object]],
    calls: SimpleQueue[bool],
    reports: SimpleQueue[BaseException | None],
) -> None:
    while calls.get():
        while (job := _take(left)) is not None:
            try:
                job()
            except BaseException as error:
                reports.put(error)
            else:
                reports.put(None)
