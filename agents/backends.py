"""How an update is computed: which back ends there are, and how a function is compiled."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable
from types import FunctionType
from typing import Any, final

import torch

BACKENDS = ("auto", "compiled", "eager", "reference")
"""How an update can be computed.

"reference" is stable-baselines3's own, bit for bit; "eager" is ours, one to three times as fast;
"compiled" is ours made into one native function, which takes a compiler and some seconds; "auto"
is "compiled" where that pays, else "eager".
"""

WORTHWHILE_STEPS = 30_000
"""Gradient steps that a run must plan for "auto" to compile.

Compiling takes 10 to 25 s, and saves 0.3 ms a step for two hidden layers of 64 units, 1 ms for 256.
A number of steps and not a time, so that the same settings always run the same code.
"""

_log = logging.getLogger("everlearn")


def notify(sentence: str) -> None:
    """Tell the user what is worth one line, through the logger "everlearn".

    Args:
        sentence: without a full stop.
    """
    _log.warning("everlearn: %s", sentence)


def find_compiler() -> str | None:
    """Return the path of the C++ compiler that torch would use, or None.

    It is named by the environment variable CXX; by default it is g++, and clang++ on a Mac.
    """
    return shutil.which(os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++"))


def can_compile(agent: str) -> bool:
    """Say whether there is a compiler; where there is none, tell the user what runs instead.

    Args:
        agent: the agent's name, for the notice.
    """
    if find_compiler() is not None:
        return True
    notify(f"no C++ compiler was found (see the variable CXX): {agent} runs on the eager back end")
    return False


@final
class Compiled:
    """A function that is compiled at its first call, and stays as it was where that fails.

    torch keeps what it compiled on disk, so that the next process needs only a part of the time.

    Args:
        function: of tensors and plain containers of them, whose shapes never change.
        purpose: what it does: "PPO's update".
        constant: whether all else that the function reads never changes either. Then torch need
            not look at each call whether it does, which takes a tenth of a small network's update.
    """

    def __init__(self, function: Callable[..., Any], purpose: str, constant: bool = False) -> None:
        self.seconds: float | None = None
        """How long compiling took, or trying to; None before the first call."""
        self.failed = False
        """Whether it can't be compiled."""
        self._plain = function
        self._purpose = purpose
        # The wrapper around the kernels in C++ too: a quarter less time for small networks.
        options: dict[str, Any] = {"cpp_wrapper": True}
        skip_guards = getattr(torch.compiler, "skip_all_guards_unsafe", None)
        if constant and skip_guards is not None:
            options["guard_filter_fn"] = skip_guards
        self._function: Callable[..., Any] = torch.compile(
            _copy(function), fullgraph=True, dynamic=False, options=options
        )

    def __call__(self, *arguments: Any) -> Any:
        """Call the function."""
        if self.seconds is None:
            return self._first(*arguments)
        return self._function(*arguments)

    def _first(self, *arguments: Any) -> Any:
        started = time.perf_counter()
        try:
            # The compiler's warnings are about itself; where warnings are errors it would fail.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = self._function(*arguments)
        except Exception as error:
            # Whatever a compiler can stumble over; an error of the function itself comes again.
            reason = " ".join(str(error).split())[:200]
            notify(f"{self._purpose} stays eager: {type(error).__name__}: {reason}")
            self.failed = True
            self._function = self._plain
            result = self._plain(*arguments)
        else:
            notify(f"compiled {self._purpose} in {time.perf_counter() - started:.1f} s")
        self.seconds = time.perf_counter() - started
        return result


def _copy(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with code of its own.

    torch counts how often a piece of code was compiled and gives up at the eighth time; agents of
    other settings, in the same process, are other functions.
    """
    assert isinstance(function, FunctionType)
    copy = FunctionType(
        function.__code__.replace(),
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy
