"""Small experiments with methods of replay: what each is to show, and for how long.

Nothing heavy is imported before it runs, so that the script can answer `--help` at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from ..wrappers.errors import unknown
from .settings import require
from .terminal import print_table


@dataclass(frozen=True)
class ProbeReplay(ABC):
    """What all experiments share: SAC on Pendulum with two layers of 64 units."""

    agents: tuple[str, ...] = ()
    """Kinds of agents, by the names that the table shows; by default all there are."""

    seeds: int = 3
    """How many agents of each kind."""

    first_seed: int = 0
    """The first one's seed; the others count on."""

    steps: int = 6_000
    """Environment steps of each agent."""

    every: int = 1_000
    """Steps between two evaluations of 10 episodes."""

    output: Path | None = None
    """Where to write the record as JSON lines; by default it is printed only."""

    name: ClassVar[str]
    """The method's."""

    kinds: ClassVar[tuple[str, ...]]
    """All kinds of agents there are."""

    columns: ClassVar[tuple[str, ...]]
    """What is shown of each agent at its end, beside its kind and its seed."""

    def check(self) -> None:
        """Raise `SettingsError` for a number out of range."""
        for name in ("seeds", "steps", "every"):
            require(self, name, getattr(self, name) >= 1, "1 or more")
        require(self, "every", self.every <= self.steps, f"{self.steps} or less, as --steps is")
        for kind in self.agents:
            if kind not in self.kinds:
                raise unknown("agent", kind, self.kinds)

    @property
    def chosen(self) -> tuple[str, ...]:
        """The kinds of agents that are asked for."""
        return self.agents or self.kinds

    @abstractmethod
    def rows(self, seed: int) -> Iterator[dict[str, Any]]:
        """Train one agent of each kind, and yield a row at each evaluation.

        Args:
            seed: of all of them.
        """

    def run(self) -> list[dict[str, Any]]:
        """Experiment, print, and write what is asked for.

        Returns:
            The rows.

        Raises:
            SettingsError: for a number out of range.
        """
        self.check()
        import torch

        from .benchmark.rounds import write_record

        torch.set_num_threads(1)
        rows: list[dict[str, Any]] = []
        for seed in range(self.first_seed, self.first_seed + self.seeds):
            rows += self.rows(seed)
            # After each seed, so that whoever stops keeps what there is.
            if self.output is not None:
                plain = {**asdict(self), "output": None}
                write_record(self.output, {"experiment": self.name, "settings": plain}, rows)
        last = {(row["agent"], row["seed"]): row for row in rows}
        cells = [[*map(str, key), *self._cells(row)] for key, row in sorted(last.items())]
        print_table(["agent", "seed", *self.columns], cells, right=["seed", *self.columns])
        if self.output is not None:
            print(f"record: {self.output}")
        return rows

    def _cells(self, row: dict[str, Any]) -> list[str]:
        values = [row[name] for name in self.columns]
        return ["-" if value is None else f"{value:.4g}" for value in values]


@dataclass(frozen=True)
class ProbeAdaptiveReplayRatio(ProbeReplay):
    """Compare a replay ratio of 0.5, one of 2, and one that goes from 0.5 to 2 when it adapts.

    A fourth agent is primed: it has made far too many updates on its first steps (Nikishin et al.
    2022) before its ratio adapts.
    """

    check_every: int = 5
    """Episodes of 200 steps from one check to the next."""

    priming: int = 15_000
    """Updates on the first 300 steps of the primed agent."""

    name: ClassVar[str] = "adaptive-replay-ratio"
    kinds: ClassVar[tuple[str, ...]] = ("ratio 0.5", "ratio 2", "adaptive", "primed, adaptive")
    columns: ClassVar[tuple[str, ...]] = ("return", "updates", "switched_at", "active_units")

    def rows(self, seed: int) -> Iterator[dict[str, Any]]:
        """Train one agent of each kind, and yield a row at each evaluation."""
        from .probe_replay_runs import adaptive_rows

        return adaptive_rows(self, seed)


@dataclass(frozen=True)
class ProbeCausalityAwareEntropy(ProbeReplay):
    """Ask which of four action dimensions gets the largest entropy weight.

    The torque of a pendulum is in the second; the others do nothing. Each agent's effects are
    estimated at each evaluation from all that it has experienced since the one before, and in the
    end from all there is; its own weights follow them, but for the agent that is plain.

    Swinging up is paid alike for mirrored states and torques, so that no linear effect of the
    torque on the reward is to be found; spinning is paid for speed in one direction.
    """

    task: Literal["swing-up", "spin"] = "swing-up"
    """What the pendulum is paid for: being up, as ever, or its angular velocity."""

    seeds: int = 5
    """How many agents of each kind."""

    steps: int = 10_000
    """Environment steps of each agent."""

    every: int = 2_500
    """Steps between two evaluations of 10 episodes, and between two estimates."""

    replay_ratio: float = 1.0
    """Gradient steps for each environment step."""

    name: ClassVar[str] = "causality-aware-entropy"
    kinds: ClassVar[tuple[str, ...]] = ("plain", "signed", "absolute")
    columns: ClassVar[tuple[str, ...]] = ("return", "live_weight", "dummy_weight", "live_effect")

    def rows(self, seed: int) -> Iterator[dict[str, Any]]:
        """Train one agent of each kind, and yield a row at each evaluation."""
        from .probe_replay_runs import causality_rows

        return causality_rows(self, seed)


@dataclass(frozen=True)
class ProbeWarmStart(ProbeReplay):
    """Turn a pendulum's torque around, and start again in four ways.

    The agent that has learned before keeps its replay buffer, or drops it, or drops it and lets
    its frozen policy act for a while, or drops it and resets all networks.
    """

    steps: int = 4_000
    """Environment steps of each agent after the change."""

    every: int = 500
    """Steps between two evaluations of 10 episodes."""

    donor_steps: int = 6_000
    """Environment steps before the change."""

    frozen_steps: int = 1_000
    """Steps for which the policy is frozen."""

    name: ClassVar[str] = "warm-start"
    kinds: ClassVar[tuple[str, ...]] = ("keep", "drop", "drop, frozen", "drop, reset")
    columns: ClassVar[tuple[str, ...]] = ("return", "lowest_return", "mean_return")

    def rows(self, seed: int) -> Iterator[dict[str, Any]]:
        """Train one agent of each kind, and yield a row at each evaluation."""
        from .probe_replay_runs import warm_start_rows

        return warm_start_rows(self, seed)


PROBES: dict[str, type[ProbeReplay]] = {
    one.name: one for one in (ProbeAdaptiveReplayRatio, ProbeCausalityAwareEntropy, ProbeWarmStart)
}
"""Each method's experiment, by its name."""
