"""Searches for settings: trials that Optuna suggests, each a small sweep on tuning seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import tyro

from ...wrappers.errors import SettingsError
from ..run import claim, require_writable
from .describe import Description, Sweep, read_sweep
from .engines import Engine


@dataclass(frozen=True)
class Search:
    """Search for settings that do well on tuning seeds, none of which is ever reported.

    Each trial is a sweep of one agent over all streams and seeds. The same command again goes on.
    Any setting of the training scripts may follow.
    """

    sweep: Annotated[Description, tyro.conf.arg(name="")] = field(default_factory=Description)
    """What each trial runs; methods and streams may hold {name} for what is searched for."""

    engine: Annotated[Engine, tyro.conf.arg(name="")] = field(default_factory=Engine)
    """What runs it."""

    space: tuple[str, ...] = ()
    """What to choose from: learning-rate=1e-5..1e-2:log n-epochs=1..10 activation=relu,tanh ..."""

    trials: int = 20
    """Trials in all."""

    measure: str = "continual/return"
    """What shall be large: the mean over all iterations of a column of iterations.csv."""

    prune: bool = True
    """Whether to give up trials that are below the median of the others at the same iteration."""

    def run(self, words: Sequence[str]) -> None:
        """Do it.

        Args:
            words: settings of the agent that are the same in all trials.

        Raises:
            SettingsError: for what cannot be searched, or if Optuna is not installed.
            IncompleteError: a trial could not be brought to its end.
        """
        self.engine.check()
        if self.trials < 1:
            raise SettingsError(f"--trials must be 1 or more, not {self.trials}")
        if self.engine.kind == "slurm":
            raise SettingsError("a search waits for its trials: --engine local or ray")
        try:
            import optuna
        except ImportError as error:
            raise SettingsError("a search needs Optuna: pip install everlearn[search]") from error
        from .search_space import read_space
        from .trials import Searcher

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        space = read_space(self.space)
        # Whatever is wrong shows here, before anything is written.
        sampler = optuna.samplers.RandomSampler(seed=0)
        first = self.sweep_of(optuna.create_study(sampler=sampler).ask(space).params, words)
        folder = first.folder
        require_writable(folder.path)
        with claim(folder.path):
            searcher = Searcher(self, space, words, first)
            searcher.search()
            searcher.tell()

    def sweep_of(self, values: Mapping[str, Any], words: Sequence[str]) -> Sweep:
        """Return the sweep of one trial.

        Args:
            values: that were suggested, by name.
            words: settings of the agent that are the same in all trials.
        """
        from .search_space import put_in

        described = self.sweep
        if described.name is None and described.file is None:
            described = replace(described, name="search")
        n_streams = len(described.streams or ())
        texts = [*(described.streams or ()), *(described.methods or ())]
        put, more = put_in(values, texts)
        described = replace(
            described,
            tuning=True,
            streams=tuple(put[:n_streams]) or None,
            methods=tuple(put[n_streams:]) or None,
        )
        sweep = read_sweep(described, [*words, *more])
        if len(sweep.units) != len({(u.settings["stream"], u.seed) for u in sweep.units}):
            labels = sorted({unit.label for unit in sweep.units})
            raise SettingsError(
                "a search is of one agent with one set of methods, not of "
                f"{' and '.join(labels)}: search for each on its own"
            )
        return sweep
