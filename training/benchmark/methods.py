"""What each method costs, as a ratio to the plain update.

Nothing heavy is imported here, so that the script can answer `--help` at once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ...wrappers.errors import SettingsError, unknown
from ..settings import require
from ..terminal import print_table

PLAIN = "plain"
"""The candidate without methods, which the others are compared with."""

Agent = Literal["ppo", "sac"]
Backend = Literal["eager", "compiled", "reference"]

SIZES = {
    "ppo": "17 inputs, 6 actions, 2 x 64 tanh, minibatch 64",
    "sac": "17 inputs, 6 actions, 2 x 256 relu, batch 256",
}
"""What is updated, by agent."""


@dataclass(frozen=True)
class BenchmarkMethods:
    """Measure what each method costs: the time of an update with it, over that without.

    All methods take turns in one process, on one thread, with the settings they have by default;
    rounds in which the machine was disturbed are left out as far as there are others. What counts
    is processor time.
    """

    methods: tuple[str, ...] = ()
    """Methods with or without settings, as in training; by default all but those that keep old
    tasks, of which there are none here."""

    agents: tuple[Agent, ...] = get_args(Agent)
    """Whose update to measure."""

    backends: tuple[Backend, ...] = ("eager",)
    """How updates are computed; compiling takes some 20 s a method."""

    rounds: int = 5
    """Undisturbed rounds to take medians of."""

    most_rounds: int = 9
    """Rounds after which to give up waiting for undisturbed ones."""

    output: Path | None = None
    """Where to write the record as JSON lines; by default it is printed only."""

    def run(self) -> None:
        """Measure and print.

        Raises:
            SettingsError: for a number out of range, or an unknown method, agent or back end.
        """
        for name in ("rounds", "most_rounds"):
            require(self, name, getattr(self, name) >= 1, "1 or more")
        for name, known in (("agents", get_args(Agent)), ("backends", get_args(Backend))):
            for value in getattr(self, name):
                if value not in known:
                    raise unknown(name[:-1], value, known)
        benchmark_methods(self)


def benchmark_methods(settings: BenchmarkMethods) -> list[dict[str, Any]]:
    """Measure, print, and write the record if one is asked for.

    Args:
        settings: what to measure.

    Returns:
        The record's rows.

    Raises:
        SettingsError: an unknown method, or one that keeps old tasks.
    """
    from ...agents.method import needs_replay, needs_rollouts
    from ...agents.registry import method_names, parse_method
    from ...agents.retention.retention_method import RetentionMethod
    from .learner import hold_cores

    texts = settings.methods or method_names()
    methods = {text: parse_method(text) for text in texts}
    keeping = [text for text, method in methods.items() if isinstance(method, RetentionMethod)]
    if settings.methods and keeping:
        raise SettingsError(f"{keeping[0]} keeps old tasks, of which there are none here")
    methods = {text: method for text, method in methods.items() if text not in keeping}
    from .methods_rows import cost_rows
    from .rounds import write_record

    hold_cores(1)
    rows: list[dict[str, Any]] = []
    for agent in settings.agents:
        unfit = needs_rollouts if agent == "sac" else needs_replay
        fitting = {text: method for text, method in methods.items() if not unfit(method)}
        for backend in settings.backends:
            print(f"\n{agent.upper()}, {backend}: {SIZES[agent]}")
            found = cost_rows(agent, backend, fitting, settings)
            columns = ["method", "backend", "microseconds", "ratio"]
            cells = [
                [row["method"], row["backend"], f"{row['microseconds']:.0f}", f"{row['ratio']:.3f}"]
                for row in found
            ]
            print_table(columns, cells, right=columns[2:])
            rows += found
    if settings.output is not None:
        head = {"benchmark": "methods", "settings": {**asdict(settings), "output": None}}
        write_record(settings.output, head, rows)
        print(f"\nrecord: {settings.output}")
    return rows
