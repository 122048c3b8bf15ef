"""Tries what Optuna suggests, one trial after the other, and goes on where it was ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from ...evaluation.records import read_table
from ...wrappers.errors import SettingsError
from ..run import ITERATIONS
from ..terminal import print_table
from .describe import Sweep
from .engines import IncompleteError, run_units
from .folder import LIST
from .units import Unit

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, Trial

    from .search import Search

JOURNAL = "journal.log"
"""Optuna's journal, in the folder of the search."""

SPARED = 5
"""Trials that run to their end before any is given up (Optuna's median pruner: 5)."""

EVERY = 5.0
"""Seconds from one look at how a trial does to the next."""


@final
class Searcher:
    """A search that has been claimed.

    Args:
        asked: what was asked for.
        space: what to choose from.
        words: settings of the agent that are the same in all trials.
        first: the sweep of some trial, which tells the search from others.

    Raises:
        SettingsError: there is a search of this name for something else.
    """

    def __init__(
        self,
        asked: Search,
        space: Mapping[str, BaseDistribution],
        words: Sequence[str],
        first: Sweep,
    ) -> None:
        import optuna
        from optuna.storages.journal import JournalFileBackend

        self._asked = asked
        self._space = dict(space)
        self._words = words
        self._folder = first.folder
        self._study: Study = optuna.create_study(
            storage=optuna.storages.JournalStorage(
                JournalFileBackend(str(self._folder.path / JOURNAL))
            ),
            study_name=self._folder.name,
            load_if_exists=True,
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=SPARED)
            if asked.prune
            else optuna.pruners.NopPruner(),
        )
        self._units: dict[str, Unit] = {}
        self._require_same(first)

    def search(self) -> None:
        """Try what Optuna suggests, until there are trials enough."""
        import optuna
        from optuna.trial import TrialState

        for trial in self._study.get_trials(states=(TrialState.RUNNING,)):
            # Its search was ended; its units are still there, and go on when it is tried again.
            self._study.tell(trial.number, state=TrialState.FAIL)
            self._study.enqueue_trial(trial.params)
        while len(self._ended()) < self._asked.trials:
            # Drawn for this trial alone, so that a search that was ended draws the same.
            self._study.sampler = optuna.samplers.TPESampler(seed=len(self._ended()))
            self._try(self._study.ask(self._space))

    def _require_same(self, first: Sweep) -> None:
        identity = {
            "space": sorted(self._asked.space),
            "measure": self._asked.measure,
            "units": [f"{unit.name} {unit.total_steps}" for unit in first.units],
        }
        if self._study.user_attrs.get("identity", identity) != identity:
            raise SettingsError(
                f"the search {self._folder.name} is there, and is for something else: "
                "choose another --name"
            )
        self._study.set_user_attr("identity", identity)

    def tell(self) -> None:
        """Print all trials, the best first."""
        from optuna.trial import TrialState

        ended = sorted(self._ended(), key=lambda t: (t.state != TrialState.COMPLETE, -_value(t)))
        rows = [
            [
                str(trial.number),
                *(_say(trial.params.get(name)) for name in self._space),
                _say(trial.value) if trial.state == TrialState.COMPLETE else "",
                "" if trial.state == TrialState.COMPLETE else f"given up at {trial.last_step}",
            ]
            for trial in ended
        ]
        columns = ["trial", *self._space, self._asked.measure, ""]
        print_table(columns, rows, right=columns[:-1])
        if ended and ended[0].state == TrialState.COMPLETE:
            best = " ".join(f"--{name} {value}" for name, value in ended[0].params.items())
            print(f"best: {best}")
        print(f"journal: {self._folder.path / JOURNAL}")

    def _ended(self) -> list[FrozenTrial]:
        from optuna.trial import TrialState

        return self._study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))

    def _try(self, trial: Trial) -> None:
        from optuna import TrialPruned
        from optuna.trial import TrialState

        units = self._asked.sweep_of(trial.params, self._words).units
        self._write(units)
        said = ", ".join(f"{name} {_say(value)}" for name, value in trial.params.items())
        print(f"trial {trial.number}: {said}", flush=True)
        reporter = _Reporter(trial, partial(self._progress, units))
        try:
            left = [u for u in units if self._folder.state(u).word != "finished"]
            if left:
                run_units(self._folder, units, left, self._asked.engine, reporter.look)
            reporter.report()
        except TrialPruned:
            self._study.tell(trial, state=TrialState.PRUNED)
            return
        self._end(trial, units)

    def _end(self, trial: Trial, units: Sequence[Unit]) -> None:
        from optuna.trial import TrialState

        words = [self._folder.state(unit).word for unit in units]
        if "failed" in words:
            # Settings with which learning fails are worse than any with which it ends.
            self._study.tell(trial, state=TrialState.PRUNED)
            return
        if set(words) != {"finished"}:
            raise IncompleteError(f"trial {trial.number} could not be brought to its end")
        values = self._progress(units)
        if not values or not np.isfinite(values[-1]):
            raise SettingsError(
                f"no run of the search has a number in {self._asked.measure}: name another "
                "column of iterations.csv as --measure, or run longer"
            )
        self._study.tell(trial, values[-1])

    def _progress(self, units: Sequence[Unit]) -> list[float]:
        """Return the mean over units of the mean so far, for each iteration that all have ended."""
        curves = [
            _mean_so_far(self._folder.runs_folder / unit.folder / ITERATIONS, self._asked.measure)
            for unit in units
        ]
        shortest = min(map(len, curves))
        return [float(x) for x in np.mean([c[:shortest] for c in curves], axis=0)]

    def _write(self, units: Sequence[Unit]) -> None:
        """Add units to the list of the search, for whoever asks how far it is."""
        if not self._units and (self._folder.path / LIST).exists():
            self._units = {unit.name: unit for unit in self._folder.read()}
        self._units |= {unit.name: unit for unit in units}
        self._folder.write(list(self._units.values()))


@final
class _Reporter:
    """Tells Optuna how a trial does at each iteration.

    Args:
        trial: who is told.
        progress: returns the value of each iteration so far.
    """

    def __init__(self, trial: Trial, progress: Callable[[], list[float]]) -> None:
        self._trial = trial
        self._progress = progress
        self._reported = 0
        self._looked = -np.inf

    def look(self) -> None:
        """Look every few seconds.

        Raises:
            TrialPruned: the trial is to be given up.
        """
        from optuna import TrialPruned

        if time.monotonic() - self._looked < EVERY:
            return
        self._looked = time.monotonic()
        if self.report() and self._trial.should_prune():
            raise TrialPruned

    def report(self) -> bool:
        """Report what is new, and return whether there is any."""
        values = self._progress()
        for step in range(self._reported, len(values)):
            if np.isfinite(values[step]):
                self._trial.report(values[step], step + 1)
        before, self._reported = self._reported, len(values)
        return self._reported > before


def _mean_so_far(file: Path, column: str) -> np.ndarray:
    """Return for each iteration the mean of a column until then; of what is missing, none."""
    try:
        values = read_table(file)[column].to_numpy(float)
    except (OSError, ValueError, LookupError):
        return np.empty(0)
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        means: np.ndarray = np.cumsum(np.where(known, values, 0.0)) / np.cumsum(known)
    return means


def _value(trial: FrozenTrial) -> float:
    return -np.inf if trial.value is None else float(trial.value)


def _say(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
