"""Why a run ends before its last step: it was asked to, or cannot go on."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import final


class Diverged(RuntimeError):
    """A number that learning cannot go on with; the message names it and the iteration."""


class Stopped(BaseException):
    """A run was asked to stop, and has.

    Args:
        number: of the signal that asked.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


@final
class StopRequest:
    """Whether a signal has asked to stop.

    Args:
        at_once: whether there is no better moment than now.
    """

    def __init__(self, at_once: bool = False) -> None:
        self.number: int | None = None
        self._at_once = at_once

    def receive(self, number: int, frame: FrameType | None = None) -> None:
        """Take note of a signal.

        Args:
            number: of the signal.
            frame: where it came.

        Raises:
            Stopped: if it is the second, or there is no better moment.
        """
        if self._at_once or self.number is not None:
            raise Stopped(number)
        self.number = number
        print("stopping at the next checkpoint; once more to stop at once", file=sys.stderr)

    def obey(self) -> None:
        """Raise if a signal has asked to stop: this is a good moment.

        Raises:
            Stopped: it has.
        """
        if self.number is not None:
            raise Stopped(self.number)


@contextmanager
def heed_signals(request: StopRequest) -> Iterator[None]:
    """Let SIGINT and SIGTERM ask to stop, in the main thread; elsewhere nobody can.

    Args:
        request: who is told.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, request.receive) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def signals_raise() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise `Stopped` in the main thread; elsewhere nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
