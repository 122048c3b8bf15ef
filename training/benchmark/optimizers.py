"""What a step of each method's optimizer costs, beside one of torch's default Adam.

Nothing heavy is imported here, so that the script can answer `--help` at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from ..settings import require
from ..terminal import print_table

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from ...agents.method import Method

ADAM = "torch's Adam"
"""What the others are compared with, on the same parameters."""

STEPS = 256
"""Steps in one turn; `upgd` draws a block of noise every 128."""

INPUTS = 23
"""What a critic of HalfCheetah reads: 17 observations and 6 actions."""


@dataclass(frozen=True)
class BenchmarkOptimizers:
    """Measure what a step of each method's optimizer costs: over one of torch's default Adam.

    The parameters are those of two critics with two hidden layers. All optimizers take turns in one
    process, on one thread, with the settings they have by default; what counts is processor time.
    """

    methods: tuple[str, ...] = ()
    """Methods with or without settings, as in training; by default all that bring an optimizer."""

    widths: tuple[int, ...] = (64, 128, 256)
    """Units in a hidden layer."""

    rounds: int = 9
    """Undisturbed rounds to take medians of."""

    most_rounds: int = 25
    """Rounds after which to give up waiting for undisturbed ones."""

    output: Path | None = None
    """Where to write the record as JSON lines; by default it is printed only."""

    def run(self) -> None:
        """Measure and print.

        Raises:
            SettingsError: for a number out of range, or a method that is unknown or brings no
                optimizer.
        """
        for name in ("rounds", "most_rounds"):
            require(self, name, getattr(self, name) >= 1, "1 or more")
        require(self, "widths", all(width >= 1 for width in self.widths), "1 or more each")
        benchmark_optimizers(self)


def benchmark_optimizers(settings: BenchmarkOptimizers) -> list[dict[str, Any]]:
    """Measure, print, and write the record if one is asked for.

    Args:
        settings: what to measure.

    Returns:
        The record's rows.

    Raises:
        SettingsError: a method is unknown, or brings no optimizer.
    """
    from ...agents.method import overrides
    from ...agents.registry import method_names, parse_method
    from ...wrappers.errors import SettingsError
    from .learner import hold_cores
    from .rounds import write_record

    methods = {text: parse_method(text) for text in settings.methods or method_names()}
    bringing = {text: one for text, one in methods.items() if overrides(one, "optimizer")}
    for text in settings.methods:
        if text not in bringing:
            raise SettingsError(f"the method {text!r} brings no optimizer")
    hold_cores(1)
    rows: list[dict[str, Any]] = []
    for width in settings.widths:
        found = step_rows(width, bringing, settings)
        print(f"\n2 critics, 2 x {width}: {found[0]['parameters']:,} parameters")
        cells = [
            [row["method"], f"{row['microseconds']:.0f}", f"{row['ratio']:.2f}"] for row in found
        ]
        print_table(["optimizer", "microseconds", "ratio"], cells, right=["microseconds", "ratio"])
        rows += found
    if settings.output is not None:
        head = {"benchmark": "optimizers", "settings": {**asdict(settings), "output": None}}
        write_record(settings.output, head, rows)
        print(f"\nrecord: {settings.output}")
    return rows


def step_rows(
    width: int, methods: Mapping[str, Method], settings: BenchmarkOptimizers
) -> list[dict[str, Any]]:
    """Measure the optimizers' steps for networks of one size.

    Args:
        width: units in a hidden layer.
        methods: those that bring an optimizer, by what they are called.
        settings: how many rounds.
    """
    import torch

    from .rounds import Reading, machine_speed, run_rounds

    parameters = make_parameters(width)
    optimizers: dict[str, Optimizer] = {ADAM: torch.optim.Adam(parameters, 1e-4)}
    for name, method in methods.items():
        offered = method.optimizer(make_parameters(width), 1e-4, {})
        assert offered is not None
        method.attach([], 0)
        optimizers[name] = offered
    turns: dict[str, Callable[[], None]] = {
        name: partial(make_steps, optimizer) for name, optimizer in optimizers.items()
    }
    rounds = run_rounds(turns, settings.rounds, settings.most_rounds, machine_speed, waits=0)
    used: list[dict[str, Reading]] = [one.readings for one in rounds.used()]
    rows = []
    for name in optimizers:
        ratios = [took[name].cpu / took[ADAM].cpu for took in used]
        rows.append(
            {
                "width": width,
                "parameters": sum(parameter.numel() for parameter in parameters),
                "method": name,
                "settings": methods[name].settings() if name in methods else {},
                "microseconds": median(took[name].cpu for took in used) / STEPS * 1e6,
                "ratio": median(ratios),
                "lowest_ratio": min(ratios),
                "highest_ratio": max(ratios),
                "rounds": len(rounds.accepted()),
                "rejected": len(rounds.rejected()),
            }
        )
    return rows


def make_parameters(width: int) -> list[nn.Parameter]:
    """Return the parameters of two critics, with gradients that will stay as they are.

    Args:
        width: units in a hidden layer.
    """
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        critics = [
            nn.Sequential(nn.Linear(INPUTS, width), nn.Linear(width, width), nn.Linear(width, 1))
            for _ in range(2)
        ]
        parameters = [parameter for critic in critics for parameter in critic.parameters()]
        for parameter in parameters:
            parameter.grad = 0.01 * torch.randn_like(parameter)
    return parameters


def make_steps(optimizer: Optimizer) -> None:
    """Make the steps of one turn.

    Args:
        optimizer: whose parameters have gradients.
    """
    for _ in range(STEPS):
        optimizer.step()
