"""Tries the agent every few iterations, in worlds of its own that do not change."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, final

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from ..envs.contexts import NamedContext, all_contexts, contexts_of_segments
from ..evaluation.reference_returns import Reference, find_reference
from ..evaluation.run_metrics import CURRENT
from ..wrappers.info import CONTEXT, SEGMENT
from ..wrappers.observe_context import TASK
from .evaluation_worlds import EvaluationWorlds, Outcome, Trial
from .run import EVALUATIONS
from .tables import Table
from .tensorboard import BlockMinima
from .trial_rows import in_episodes, trial_scalars

if TYPE_CHECKING:
    from torch import nn

    from ..envs import Stream
    from ..envs.make import Backend
    from .logging import IterationWriter, StreamRecorder
    from .settings import RunSettings
    from .tensorboard import EventWriter

EVALUATION_COLUMNS = (
    "iteration",
    "step",
    "segment",
    "task",
    "episode",
    "return",
    "length",
    "success",
    "success_final",
    "normalized",
)
"""The columns of `evaluations.csv`; one `context/<knob>` for each knob follows, and where episodes
are parts of trials `trial` and `episode_in_trial`, from 1 on."""


@final
class Evaluation(BaseCallback):
    """Tries the agent in each of a stream's contexts, and writes `evaluations.csv`.

    It does so before the first iteration, after every few of them, at the end of each segment that
    has lasted at least half as long as that, and at the end of the run. Learning is the same bit
    for bit with and without it: worlds and seeds are its own, actions are deterministic, and the
    policy's modes are put back.

    Where a stream has few contexts, each is a task. Else the contexts of some of its segments are,
    and the present one. Each episode's seed comes from the run's, the iteration, the task and its
    number.

    Args:
        folder: the run folder.
        stream: the stream that the agent learns in.
        settings: of the run.
        rows: knows how many iterations have ended.
        recorder: knows where the stream is.
        events: TensorBoard's.
        state: from `get_state`, to go on there.
    """

    def __init__(
        self,
        folder: Path,
        stream: Stream,
        settings: RunSettings,
        rows: IterationWriter,
        recorder: StreamRecorder,
        events: EventWriter,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self._stream = stream
        self._settings = settings
        self._rows = rows
        self._recorder = recorder
        self._events = events
        self._seconds = 0.0 if state is None else float(state["seconds"])
        self._number = 0 if state is None else int(state["number"])
        self._last = -1 if state is None else int(state["iteration"])
        self._best: dict[str, float] = {} if state is None else dict(state["best"])
        self._minima = BlockMinima(state and state["minima"])
        self._table: Table | None = None
        if settings.evaluate_every:
            self._table = Table(folder / EVALUATIONS, EVALUATION_COLUMNS, state and state["table"])
        self._held_out = settings.held_out_contexts()
        segments, seed = settings.evaluation_segments, settings.seed
        self._tasks = list(self._held_out or evaluation_tasks(stream, segments, seed))
        few = bool(self._held_out or all_contexts(stream, seed))
        self._adds_current = not few and _changes_alike(stream)
        self._worlds: EvaluationWorlds | None = None
        self._memory: Any = None

    @property
    def cost(self) -> str:
        """How many evaluations there were, and how long they took; empty where there were none."""
        return f"{self._number:,} in {self._seconds:.1f} s" if self._number else ""

    def get_state(self) -> dict[str, Any]:
        """Return where the rows end."""
        return {
            "iteration": self._last,
            "number": self._number,
            "seconds": self._seconds,
            "best": dict(self._best),
            "minima": self._minima.get_state(),
            "table": self._table and self._table.position(),
        }

    def finish(self) -> None:
        """Try the agent once more at the end, where that has not been done."""
        self._evaluate()

    def close(self) -> None:
        """Close the table and the worlds."""
        if self._table is not None:
            self._table.close()
        if self._worlds is not None:
            self._worlds.close()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        every = self._settings.evaluate_every
        if every and (self._rows.iteration % every == 0 or self._ends_segment(every)):
            self._evaluate()

    def _ends_segment(self, every: int) -> bool:
        """Tell whether a long enough segment is over, or will be before the next iteration is."""
        if not _is_known_ahead(self._stream):
            return False
        settings = self._settings
        length = settings.iteration_length

        def next_change(step: int) -> int | None:
            return self._stream.next_change(step, settings.seed, settings.n_envs)

        change = next_change(max(self.num_timesteps - 1, 0))
        if change is None or change >= self.num_timesteps + length:
            return False
        earliest = change - every * length // 2
        return earliest >= 0 and next_change(earliest) == change

    def _evaluate(self) -> None:
        if self._table is None or self._rows.iteration == self._last:
            return
        began = time.perf_counter()
        self._last = self._rows.iteration
        tasks = self._tasks_now()
        played = self._play(tasks)
        for task, episodes in zip(tasks, played, strict=True):
            for row in self._rows_of(task, episodes):
                self._table.append(row)
            if not self._held_out:
                self._draw(task.name, episodes)
        scalars = trial_scalars(outcome for outcomes in played for outcome in outcomes)
        self._events.write_scalars(scalars, self.num_timesteps)
        self._table.flush()
        self._number += 1
        self._seconds += time.perf_counter() - began

    def _tasks_now(self) -> list[NamedContext]:
        """Return this evaluation's tasks: those of always, and the present context."""
        present = self._recorder.lived.get(CONTEXT)
        if self._adds_current and present:
            return [*self._tasks, NamedContext(CURRENT, dict(present))]
        return self._tasks

    def _open(self, n_trials: int) -> EvaluationWorlds:
        if self._worlds is None:
            self._worlds = EvaluationWorlds(
                self._stream,
                cast("Backend", self._settings.world_backend),
                n_trials,
                self._settings.evaluation_episodes,
                self._settings.evaluation_steps,
                self._settings.normalization,
            )
        return self._worlds

    def _play(self, tasks: Sequence[NamedContext]) -> list[list[Outcome]]:
        """Try every task, and return the episodes of each."""
        episodes = self._settings.evaluation_episodes
        trials = [
            Trial(task.context, _seed(self._settings.seed, self._last, number, episode))
            for number, task in enumerate(tasks)
            for episode in range(episodes)
        ]
        worlds = self._open(len(trials))
        worlds.follow(self.training_env)
        with _modes_kept(self.model.policy):
            outcomes = list(worlds.play(trials, self._act))
        return [outcomes[i : i + episodes] for i in range(0, len(outcomes), episodes)]

    def _act(self, observations: Any, trials: Sequence[Trial], starts: np.ndarray) -> np.ndarray:
        """Act in each task as the agent would there, if it keeps old tasks."""
        tasks: Any = getattr(self.model, "tasks", None)
        contexts = [trial.context for trial in trials]
        distinct = [c for i, c in enumerate(contexts) if c not in contexts[:i]]
        if tasks is None or not tasks.kept:
            # Agents without a memory return what they are given.
            actions, self._memory = self.model.predict(
                observations,
                state=None if starts.all() else self._memory,
                episode_start=starts,
                deterministic=True,
            )
            return actions
        by_row: dict[int, np.ndarray] = {}
        for context in distinct:
            rows = [row for row, other in enumerate(contexts) if other == context]
            with tasks.acting_in(context):
                found = self.model.predict(observations[rows], deterministic=True)[0]
            by_row |= dict(zip(rows, found, strict=True))
        return np.stack([by_row[row] for row in range(len(contexts))])

    def _rows_of(self, task: NamedContext, episodes: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
        reference = self._reference(task)
        for number, (episode, place) in enumerate(in_episodes(episodes)):
            known: dict[str, Any] = {}
            if episode.success is not None:
                known["success"] = episode.success
            if episode.success_final is not None:
                known["success_final"] = episode.success_final
            if reference is not None and episode.whole:
                known["normalized"] = reference.normalize(episode.reward)
            yield {
                "iteration": self._last,
                "step": self.num_timesteps,
                "segment": self._recorder.lived.get(SEGMENT, ""),
                "task": task.name,
                "episode": number,
                "return": episode.reward,
                "length": episode.length,
                **known,
                **place,
                **{f"context/{knob}": value for knob, value in task.context.items()},
            }

    def _draw(self, task: str, episodes: Sequence[Outcome]) -> None:
        mean = float(np.mean([episode.reward for episode in episodes]))
        tag = f"eval/{task}"
        scalars = {f"{tag}/return": mean, **self._minima.add({f"{tag}/return_min": mean})}
        successes = [episode.success for episode in episodes if episode.success is not None]
        if successes:
            scalars[f"{tag}/success"] = float(np.mean(successes))
            final = [bool(episode.success_final) for episode in episodes]
            scalars[f"{tag}/success_final"] = float(np.mean(final))
        if task != CURRENT:
            self._best[task] = max(mean, self._best.get(task, mean))
            scalars[f"{tag}/forgetting"] = self._best[task] - mean
        self._events.write_scalars(scalars, self.num_timesteps)

    def _reference(self, task: NamedContext) -> Reference | None:
        stream = self._stream
        world = stream.worlds[int(task.context.get(TASK, 0))]
        return find_reference(world, stream.world_settings, stream.knobs)


def evaluation_tasks(stream: Stream, segments: Sequence[int], seed: int) -> list[NamedContext]:
    """Return a stream's contexts where they are few, else those of some segments.

    Args:
        stream: the stream.
        segments: their numbers.
        seed: the stream's seed.
    """
    return all_contexts(stream, seed) or contexts_of_segments(stream, segments, seed)


def _changes_alike(stream: Stream) -> bool:
    """Tell whether all copies are in one context, which lasts longer than their episodes."""
    return all(one.scope == "shared" and one.clock != "episode" for one in stream.changes)


def _is_known_ahead(stream: Stream) -> bool:
    """Tell whether changes come at steps that can be known."""
    return all(one.scope == "shared" and one.clock in ("global", "copy") for one in stream.changes)


def _seed(*parts: int) -> int:
    """Return a seed that envpool can take too."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0] % 2**31)


@contextmanager
def _modes_kept(policy: nn.Module) -> Iterator[None]:
    """Put every module back into its mode of training or of evaluation."""
    modes = [(module, module.training) for module in policy.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
