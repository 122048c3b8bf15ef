"""The plasticity probe: whether a small network still learns the hundredth task as the first.

Nothing heavy is imported here, so that the script can answer `--help` at once.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ..wrappers.errors import SettingsError
from .settings import require
from .terminal import print_table

if TYPE_CHECKING:
    from ..agents.method import Method

PLAIN = "adam"
"""What is called so has no method: Adam alone."""

NAME = "plasticity probe"
"""What records call it."""

EDGE = 10
"""Tasks at either end that are compared."""


@dataclass(frozen=True)
class ProbePlasticity:
    """Probe how well methods keep a small network able to learn.

    A network of ReLU units learns random labels of the same random inputs by cross-entropy; with
    each task the labels are drawn anew, and the network goes on from where it is. What counts is
    the accuracy on each minibatch before it is learnt from. A network that kept its plasticity
    learns every task as well as the first.
    """

    methods: tuple[str, ...] = (PLAIN, "continual-backprop:replacement_rate=1e-3,maturity=100")
    """What to compare: methods as in training, joined by + where several act together, or adam."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """Where the randomness of each run comes from (0 or more)."""

    tasks: int = 120
    """How often the labels are drawn anew."""

    updates: int = 300
    """Gradient steps in each task."""

    examples: int = 160
    """Inputs, each of independent standard normal numbers; they stay the same."""

    inputs: int = 32
    """Numbers in an input."""

    classes: int = 8
    """Labels to choose from."""

    batch_size: int = 16
    """Examples in a minibatch."""

    hidden_sizes: tuple[int, ...] = (64, 64)
    """Units of each hidden layer."""

    learning_rate: float = 1e-3
    """Adam's, or that of the optimizer which a method brings (Adam's own default)."""

    tell_changes: bool = True
    """Whether methods are told when a new task begins (few act on it unless they are asked to)."""

    output: Path | None = None
    """Where to write the record as JSON lines; runs that it has already are not made again."""

    table: Path | None = None
    """Where to write every task's accuracy as CSV."""

    figure: Path | None = None
    """Where to draw the accuracies, as .png, .svg or .pdf."""

    def check(self) -> None:
        """Raise `SettingsError` for a number outside of its range."""
        for name in ("tasks", "updates", "examples", "inputs", "batch_size"):
            require(self, name, getattr(self, name) >= 1, "1 or more")
        require(self, "methods", bool(self.methods), "one or more")
        require(self, "seeds", min(self.seeds, default=-1) >= 0, "0 or more, at least one")
        require(self, "classes", self.classes >= 2, "2 or more")
        require(self, "batch_size", self.examples % self.batch_size == 0, "a divisor of --examples")
        require(self, "hidden_sizes", min(self.hidden_sizes, default=0) >= 1, "1 or more each")
        require(self, "learning_rate", self.learning_rate > 0, "more than 0")
        if self.figure is not None:
            fits = self.figure.suffix in (".png", ".svg", ".pdf")
            require(self, "figure", fits, "a .png, .svg or .pdf file")

    @property
    def task(self) -> dict[str, Any]:
        """All that tells what is learnt, but not by whom."""
        others = ("methods", "seeds", "output", "table", "figure")
        settings = {name: value for name, value in asdict(self).items() if name not in others}
        return {**settings, "hidden_sizes": list(self.hidden_sizes)}


def parse_candidate(text: str, plain: str = PLAIN) -> list[Method]:
    """Build the methods of a candidate.

    Args:
        text: what the user wrote, such as "l2:coefficient=1e-3+redo".
        plain: what stands for none.

    Raises:
        SettingsError: an unknown method or setting, or a value of the wrong type or range.

    Example:
        >>> parse_candidate("adam")
        []
        >>> [method.name for method in parse_candidate("continual-backprop:maturity=1e+2+l2")]
        ['continual-backprop', 'l2']
    """
    from ..agents.registry import parse_method

    if text == plain:
        return []
    # A plus sign in a number has a digit after it.
    return [parse_method(piece) for piece in re.split(r"\+(?=[A-Za-z_])", text)]


def probe_plasticity(settings: ProbePlasticity) -> list[dict[str, Any]]:
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
    candidates = {text: parse_candidate(text) for text in settings.methods}
    known = _read(settings)

    import torch

    from .probe_run import begin, run

    torch.set_num_threads(1)
    for methods in candidates.values():
        # A method that does not fit the network says so before the others have run for minutes.
        begin(settings, methods, seed=0)
    rows = dict(known)
    wanted = [(text, seed) for text in candidates for seed in settings.seeds]
    missing = [one for one in wanted if one not in known]
    # On a terminal there is a bar; elsewhere a line for each run.
    total, quiet = len(missing) * settings.tasks, not sys.stderr.isatty()
    with tqdm(total=total, unit=" tasks", dynamic_ncols=True, disable=quiet) as bar:
        for text, seed in missing:
            bar.set_postfix_str(f"{text}, seed {seed}")
            rows[text, seed] = run(settings, text, candidates[text], seed, bar.update)
            if quiet:
                print(_told(rows[text, seed]), file=sys.stderr, flush=True)
            _write(settings, list(rows.values()))
    chosen = [rows[one] for one in wanted]
    _write_tables(settings, chosen)
    _show(chosen)
    return chosen


def summarize(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what a method's runs came to: a row for each candidate, in the order of `rows`.

    Args:
        rows: of the record, each with the accuracy on every task.

    Returns:
        The mean accuracy on the first, the middle and the last ten tasks (fewer where there are
        fewer than 30), the last as a share of the first, and means over the runs of what was
        measured at their ends.

    Example:
        >>> row = {"methods": "adam", "accuracies": [0.5, 0.4, 0.1], "dead": [0.0, 1.0],
        ...        "weight_magnitude": 0.2, "seconds": 3.0}
        >>> [(told["first"], told["last"], told["kept"]) for told in summarize([row])]
        [(0.5, 0.1, 0.2)]
    """
    found: list[dict[str, Any]] = []
    for text in dict.fromkeys(row["methods"] for row in rows):
        own = [row for row in rows if row["methods"] == text]
        curves = [row["accuracies"] for row in own]
        edge = max(1, min(EDGE, len(curves[0]) // 3))
        middle = (len(curves[0]) - edge) // 2
        first, half, last = (
            fmean(fmean(curve[start : start + edge]) for curve in curves)
            for start in (0, middle, len(curves[0]) - edge)
        )
        magnitude = fmean(row["weight_magnitude"] for row in own)
        found.append(
            {
                "methods": text,
                "seeds": len(own),
                "first": first,
                "middle": half,
                "last": last,
                "kept": last / first if first and math.isfinite(magnitude) else math.nan,
                "dead": [fmean(layer) for layer in zip(*(row["dead"] for row in own), strict=True)],
                "weight_magnitude": magnitude,
                "seconds": fmean(row["seconds"] for row in own),
            }
        )
    return found


def read_record(file: Path, name: str = NAME, column: str = "accuracies") -> list[dict[str, Any]]:
    """Read a record of the probe: what was learnt, and a row for each run.

    Args:
        file: what `--output` wrote.
        name: what it calls itself.
        column: what each row must have.

    Raises:
        SettingsError: it is none.
    """
    try:
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        if lines[0]["benchmark"] == name and all(column in row for row in lines[1:]):
            return lines
    except (OSError, ValueError, LookupError, TypeError):
        pass
    raise SettingsError(f"{file} holds no record of the {name}")


def _read(settings: ProbePlasticity) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the runs that the record has already."""
    if settings.output is None or not settings.output.exists():
        return {}
    head, *rows = read_record(settings.output)
    if head["task"] != settings.task:
        raise SettingsError(f"{settings.output} holds runs of another task: name another file")
    return {(row["methods"], row["seed"]): row for row in rows}


def _write(settings: ProbePlasticity, rows: Sequence[Mapping[str, Any]]) -> None:
    if settings.output is None:
        return
    from .benchmark.rounds import write_record

    try:
        write_record(settings.output, {"benchmark": NAME, "task": settings.task}, rows)
    except OSError as error:
        reason = error.strerror or error
        raise SettingsError(f"cannot write {settings.output}: {reason}") from error


def _write_tables(settings: ProbePlasticity, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the table and the figure, where they are asked for."""
    if settings.table is not None:
        lines = ["methods,seed,task,accuracy"]
        for row in rows:
            start = f'"{row["methods"]}",{row["seed"]}'
            lines += [f"{start},{task},{value}" for task, value in enumerate(row["accuracies"])]
        settings.table.parent.mkdir(parents=True, exist_ok=True)
        settings.table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if settings.figure is not None:
        from ..evaluation.probe_figure import draw_probe

        settings.figure.parent.mkdir(parents=True, exist_ok=True)
        draw_probe(rows, 1 / settings.classes, settings.figure)


def _told(row: Mapping[str, Any]) -> str:
    (told,) = summarize([row])
    return (
        f"{row['methods']}, seed {row['seed']}: {told['first']:.3f} to {told['last']:.3f} "
        f"in {row['seconds']:.0f} s"
    )


def _show(rows: Sequence[Mapping[str, Any]]) -> None:
    headings = ["methods", "seeds", "first", "middle", "last", "last/first", "dead", "|w|", "s"]
    cells = [
        [
            told["methods"],
            str(told["seeds"]),
            *(f"{told[name]:.3f}" for name in ("first", "middle", "last", "kept")),
            " ".join(f"{share:.2f}" for share in told["dead"]),
            f"{told['weight_magnitude']:.3f}",
            f"{told['seconds']:.0f}",
        ]
        for told in summarize(rows)
    ]
    print("accuracy before learning, on the first, middle and last tasks; at the end the share of")
    print("dead units in each hidden layer, and the mean magnitude of weights")
    print_table(headings, cells, right=headings[1:])
