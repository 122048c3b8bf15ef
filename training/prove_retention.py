"""The proving ground of retention: what a cloned policy still can after it learned other tasks.

Nothing heavy is imported here, so that the script can answer `--help` at once.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from tqdm import tqdm

from ..wrappers.errors import SettingsError, unknown
from .probe_plasticity import parse_candidate, read_record
from .settings import require
from .terminal import print_table

PLAIN = "fine-tuning"
"""What is called so has no method: the network goes on learning, and that is all."""

NAME = "retention proving ground"
"""What records call it."""

TASKS: dict[str, str] = {
    "WindowClose": "Push and close a window.",
    "Push": "Push the puck to a goal.",
    "HandlePressSide": "Press a handle down sideways.",
    "FaucetClose": "Rotate the faucet clockwise.",
}
"""Tasks with a demonstrator, and what CoTASP's published code says of them."""


@dataclass(frozen=True)
class ProveRetention:
    """Prove which methods keep old tasks, on four of Meta-World's tasks.

    A network of ReLU units clones scripted demonstrators, by the squared error, of one task after
    the other; nothing tells it the task but the method it is given. Success is tried at the end of
    each task and for all tasks at the end of the sequence: an episode counts if it succeeds at any
    step. All methods of a seed see the same demonstrations, and are tried from the same beginnings.
    """

    methods: tuple[str, ...] = (PLAIN,)
    """What to compare: methods as in training, joined by + where several act together, or
    fine-tuning."""

    seeds: tuple[int, ...] = (0,)
    """Where the randomness of each run comes from (0 or more)."""

    tasks: tuple[str, ...] = tuple(TASKS)
    """What is learned, in this order: WindowClose, Push, HandlePressSide, FaucetClose."""

    demonstrations: int = 10
    """Episodes of 200 steps that are cloned for each task."""

    noise: float = 0.1
    """Standard deviation of what is added to the demonstrators' actions as they are carried out;
    the cloned actions are without (DART, Laskey et al. 2017)."""

    updates: int = 2000
    """Gradient steps in each task."""

    batch_size: int = 64
    """Examples in a minibatch."""

    hidden_sizes: tuple[int, ...] = (256, 256)
    """Units of each hidden layer."""

    learning_rate: float = 1e-3
    """Adam's, which forgets all between two tasks (Adam's own default)."""

    episodes: int = 10
    """Episodes of 200 steps in which each task is tried."""

    output: Path | None = None
    """Where to write the record as JSON lines; runs that it has already are not made again."""

    figure: Path | None = None
    """Where to draw performance and forgetting, as .png, .svg or .pdf."""

    def check(self) -> None:
        """Raise `SettingsError` for a number outside of its range."""
        for name in ("demonstrations", "updates", "batch_size", "episodes"):
            require(self, name, getattr(self, name) >= 1, "1 or more")
        require(self, "methods", bool(self.methods), "one or more")
        require(self, "seeds", min(self.seeds, default=-1) >= 0, "0 or more, at least one")
        require(self, "noise", self.noise >= 0, "0 or more")
        require(self, "hidden_sizes", min(self.hidden_sizes, default=0) >= 1, "1 or more each")
        require(self, "learning_rate", self.learning_rate > 0, "more than 0")
        require(self, "tasks", bool(self.tasks), "one or more")
        for task in self.tasks:
            if task not in TASKS:
                raise unknown("task with a demonstrator", task, TASKS)
        if self.figure is not None:
            fits = self.figure.suffix in (".png", ".svg", ".pdf")
            require(self, "figure", fits, "a .png, .svg or .pdf file")

    @property
    def ground(self) -> dict[str, Any]:
        """All that tells what is learnt, but not by whom."""
        others = ("methods", "seeds", "output", "figure")
        settings = {name: value for name, value in asdict(self).items() if name not in others}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in settings.items()
        }


def prove_retention(settings: ProveRetention) -> list[dict[str, Any]]:
    """Make all runs, print a table, and write what is asked for.

    The record is written anew after each run, so that a call that was interrupted goes on there.

    Args:
        settings: what to compare.

    Returns:
        A row of the record for each run.

    Raises:
        SettingsError: for settings that cannot be used.
    """
    settings.check()
    candidates = {text: parse_candidate(text, PLAIN) for text in settings.methods}
    known = _read(settings)

    import torch

    from .retention_run import begin, demonstrate, run

    torch.set_num_threads(1)
    for methods in candidates.values():
        # A method that does not fit the network says so before the others have run for minutes.
        begin(settings, methods, seed=0)
    rows = dict(known)
    wanted = [(text, seed) for seed in settings.seeds for text in candidates]
    missing = [one for one in wanted if one not in known]
    quiet = not sys.stderr.isatty()
    shown: dict[int, Any] = {}
    total = len(missing) * len(settings.tasks)
    with tqdm(total=total, unit=" tasks", dynamic_ncols=True, disable=quiet) as bar:
        for text, seed in missing:
            bar.set_postfix_str(f"{text}, seed {seed}")
            if seed not in shown:
                shown = {seed: demonstrate(settings, seed)}
            rows[text, seed] = run(settings, text, candidates[text], seed, shown[seed], bar.update)
            if quiet:
                print(_told(rows[text, seed]), file=sys.stderr, flush=True)
            _write(settings, list(rows.values()))
    chosen = [rows[text, seed] for text in candidates for seed in settings.seeds]
    _show(settings, chosen)
    if settings.figure is not None:
        from ..evaluation.retention_figure import draw_retention

        settings.figure.parent.mkdir(parents=True, exist_ok=True)
        draw_retention(summarize(chosen), settings.figure)
    return chosen


def summarize(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what a method's runs came to: a row for each candidate, in the order of `rows`.

    Args:
        rows: of the record.

    Returns:
        Means over the runs: performance is the success over all tasks at the end, forgetting is
        what it lost since each task's own end, on average over all tasks (Wolczyk et al.,
        "Continual World", 2021, where the last counts too); each run's own are in lists. `drift`
        is the largest change of any output on a task's demonstrations since that task's end.

    Example:
        >>> row = {"methods": "fine-tuning", "learned": [1.0, 0.8], "kept": [0.2, 0.8],
        ...        "drift": [0.5, 0.0], "seconds": 3.0}
        >>> (told,) = summarize([row])
        >>> told["performance"], told["forgetting"], told["drift"]
        (0.5, 0.4, 0.5)
    """
    found: list[dict[str, Any]] = []
    for text in dict.fromkeys(row["methods"] for row in rows):
        own = [row for row in rows if row["methods"] == text]
        performances = [fmean(row["kept"]) for row in own]
        forgettings = [
            performance_at_ends - performance
            for performance_at_ends, performance in zip(
                (fmean(row["learned"]) for row in own), performances, strict=True
            )
        ]
        found.append(
            {
                "methods": text,
                "seeds": len(own),
                "performance": fmean(performances),
                "forgetting": fmean(forgettings),
                "performances": performances,
                "forgettings": forgettings,
                "learned": [fmean(task) for task in zip(*(r["learned"] for r in own), strict=True)],
                "kept": [fmean(task) for task in zip(*(row["kept"] for row in own), strict=True)],
                "drift": max(max(row["drift"]) for row in own),
                "seconds": fmean(row["seconds"] for row in own),
            }
        )
    return found


def _read(settings: ProveRetention) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the runs that the record has already."""
    if settings.output is None or not settings.output.exists():
        return {}
    head, *rows = read_record(settings.output, NAME, "kept")
    if head["task"] != settings.ground:
        raise SettingsError(f"{settings.output} holds runs of another kind: name another file")
    return {(row["methods"], row["seed"]): row for row in rows}


def _write(settings: ProveRetention, rows: Sequence[Mapping[str, Any]]) -> None:
    if settings.output is None:
        return
    from .benchmark.rounds import write_record

    try:
        write_record(settings.output, {"benchmark": NAME, "task": settings.ground}, rows)
    except OSError as error:
        reason = error.strerror or error
        raise SettingsError(f"cannot write {settings.output}: {reason}") from error


def _told(row: Mapping[str, Any]) -> str:
    (told,) = summarize([row])
    return (
        f"{row['methods']}, seed {row['seed']}: performance {told['performance']:.2f}, "
        f"forgetting {told['forgetting']:.2f} in {row['seconds']:.0f} s"
    )


def _show(settings: ProveRetention, rows: Sequence[Mapping[str, Any]]) -> None:
    numbers = ["seeds", "performance", "forgetting", *settings.tasks, "drift", "s"]
    cells = [
        [
            told["methods"],
            str(told["seeds"]),
            f"{told['performance']:.3f}",
            f"{told['forgetting']:.3f}",
            *(f"{a:.2f} {b:.2f}" for a, b in zip(told["learned"], told["kept"], strict=True)),
            f"{told['drift']:.2g}",
            f"{told['seconds']:.0f}",
        ]
        for told in summarize(rows)
    ]
    print(
        "success of each task at its own end and at the end of all; at the end the largest change"
    )
    print("of an output on a task's demonstrations since that task's end")
    print_table(["methods", *numbers], cells, right=numbers)
