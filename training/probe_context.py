"""The hidden-context experiment: what agents that know more or less of a context reach.

Nothing heavy is imported before it runs, so that the script can answer `--help` at once.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from .secbad import TrainSeCBAD
from .settings import require
from .terminal import print_table

if TYPE_CHECKING:
    from .segment_ages import AgeWatch

_LEARNED = "hidden_size=32,decoder_size=32,n_samples=4,learning_rate=3e-3,updates=20"

BASE = (
    "ppo:n_steps=128,batch_size=256,n_epochs=10,learning_rate=1e-3,gamma=0.99,gae_lambda=0.95,"
    "clip_range=0.2,entropy_coefficient=0,hidden_sizes=[64,64],backend=eager"
)
"""PPO as small control tasks want it: stable-baselines3's settings with shorter rollouts."""

RECURRENT = (
    "recurrent-ppo:n_steps=128,batch_size=256,n_epochs=10,learning_rate=1e-3,gamma=0.99,"
    "gae_lambda=0.95,clip_range=0.2,entropy_coefficient=0,hidden_sizes=[64],lstm_size=64"
)
"""The same with an LSTM in the place of the first hidden layer."""

_ON = " on "

CONTEXTS = (
    "oracle",
    f"secbad:{_LEARNED}",
    f"secbad:{_LEARNED},belief=most-likely",
    f"secbad:{_LEARNED},labels=no",
    f"window:{_LEARNED}",
    f"varibad:{_LEARNED}",
    "history",
    f"history:frames=1{_ON}{RECURRENT}",
    f"memoryless{_ON}{RECURRENT}",
    "memoryless",
)
"""Who is compared, the one who knows most first."""

_PARTS = 10


@dataclass(frozen=True)
class ProbeContext:
    """Train agents in a world with a hidden context that changes, and compare them.

    Each agent is PPO on what one kind of context inference tells it; all learn in the same worlds.
    A score is the mean return of the episodes that ended in a tenth of learning; of CartPole, whose
    left and right swap at hidden moments, 500 is the most. Where the context is one of two values,
    SeCBAD's most likely age of the segment is compared with the true one, and with that of the
    filter that has the true likelihoods, at steps past the fifth of a segment, in the last fifth of
    learning. A record that is there is gone on with.
    """

    contexts: tuple[str, ...] = CONTEXTS
    """What the agents know, as for scripts/train_secbad.py --context; where another than --base
    learns to act, that follows: "memoryless on recurrent-ppo:lstm_size=64"."""

    stream: str = "everlearn/CartPoleForceSign-v0"
    """The world, with or without settings: by default CartPole with a hidden force."""

    seeds: int = 5
    """How many agents of each kind."""

    first_seed: int = 0
    """The first one's seed; the others count on."""

    steps: int = 100_000
    """Environment steps of each agent, over all copies."""

    base: str = BASE
    """Who learns to act, as for scripts/train_secbad.py --base."""

    output: Path | None = None
    """Where to write the record as JSON lines; by default it is printed only."""

    picture: Path | None = None
    """Where to draw the scores; by default they are not drawn."""

    belief_picture: Path | None = None
    """Where to draw the belief over ages of the last SeCBAD agent; by default it is not drawn."""

    def run(self) -> None:
        """Experiment, print, and write what is asked for.

        Raises:
            SettingsError: for a setting that cannot be used.
        """
        require(self, "seeds", self.seeds >= 1, "1 or more")
        require(self, "first_seed", self.first_seed >= 0, "0 or more")
        require(self, "steps", self.steps >= 1, "1 or more")
        for context in self.contexts:
            self.agent(context, self.first_seed).check()
        probe_context(self)

    def agent(self, context: str, seed: int) -> TrainSeCBAD:
        """Return the settings of one agent.

        Args:
            context: one of `contexts`.
            seed: its own.
        """
        context, _, base = context.partition(_ON)
        return TrainSeCBAD(
            stream=self.stream,
            context=context,
            base=base or self.base,
            seed=seed,
            total_steps=self.steps,
            diagnostics=False,
        )


def probe_context(settings: ProbeContext) -> list[dict[str, Any]]:
    """Experiment, print, and write what is asked for.

    Args:
        settings: what to do.

    Returns:
        A row for each agent: context, seed, the mean return of episodes in each tenth of learning,
        of SeCBAD the shares of steps at which the most likely age is near, and seconds.

    Raises:
        SettingsError: the record is of another experiment.
    """
    import torch

    from .benchmark.rounds import complete_record

    torch.set_num_threads(1)
    head = {"experiment": "context", "settings": _plain(settings)}
    seeds = range(settings.first_seed, settings.first_seed + settings.seeds)
    train = partial(_train, settings)
    rows = complete_record(settings.output, head, "context", settings.contexts, seeds, train)
    _show(settings, rows)
    if settings.picture is not None:
        _draw(settings, rows)
    return rows


def _plain(settings: ProbeContext) -> dict[str, Any]:
    """Return what tells this experiment from others; seeds and agents may be added."""
    return {"stream": settings.stream, "steps": settings.steps, "base": settings.base}


def _train(settings: ProbeContext, context: str, seed: int) -> dict[str, Any]:
    from ..envs import make_stream, make_vec_env
    from .segment_ages import AgeWatch, TwoSides

    own = settings.agent(context, seed)
    env = make_vec_env(own.stream, own.n_envs, seed)
    watch = AgeWatch(settings.steps * 4 // 5, TwoSides.of(make_stream(own.stream)))
    began, cpu = time.perf_counter(), time.process_time()
    try:
        own.build_agent(env, ()).learn(own.whole_steps, callback=watch)
    finally:
        env.close()
    seconds = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
    if settings.belief_picture is not None and own.inference.kind == "secbad" and watch.trace:
        from ..evaluation.context_figures import draw_ages

        draw_ages(watch.trace, settings.belief_picture)
    return {
        "context": context,
        "seed": seed,
        "returns": _returns(watch, settings.steps),
        **({"ages": watch.shares} if watch.shares else {}),
        **{name: round(value, 1) for name, value in seconds.items()},
        "inference": asdict(own.inference),
    }


def _returns(watch: AgeWatch, steps: int) -> list[float | None]:
    """Return the mean return of the episodes that ended in each tenth of learning."""
    parts: list[list[float]] = [[] for _ in range(_PARTS)]
    for step, total in watch.episodes:
        parts[min(step * _PARTS // steps, _PARTS - 1)].append(total)
    return [round(mean(part), 2) if part else None for part in parts]


def _show(settings: ProbeContext, rows: Sequence[dict[str, Any]]) -> None:
    import numpy as np

    from ..evaluation.statistics.bootstrap import bootstrap

    table = []
    for context in dict.fromkeys(row["context"] for row in rows):
        own = [row for row in rows if row["context"] == context]
        last = [row["returns"][-1] for row in own if row["returns"][-1] is not None]
        cells = [context, str(len(own)), "", "", "", ""]
        if last:
            cells[2] = f"{mean(last):.0f}"
            interval = bootstrap(_mean, np.array(last)[:, None])
            if np.isfinite(interval.low):
                cells[3] = f"{interval.low:.0f} to {interval.high:.0f}"
        ages = [row["ages"] for row in own if row.get("ages")]
        for place, who in ((4, "learned, context"), (5, "exact, context")):
            if ages:
                cells[place] = f"{mean(one[who] for one in ages):.3f}"
        table.append(cells)
    names = ("context", "seeds", "return", "95% interval", "age near", "exact filter's")
    print_table(names, table, right=names[1:])


def _mean(scores: Any) -> Any:
    return scores.mean(axis=(-2, -1))


def _kind(context: str) -> str:
    """Return a context's words without their settings."""
    return _ON.join(part.partition(":")[0] for part in context.split(_ON))


def _names(contexts: Iterable[str]) -> dict[str, str]:
    """Return a short name for each context: its kind, with what sets it apart from its like."""
    alike: dict[str, dict[str, set[str]]] = {}
    for context in contexts:
        alike.setdefault(_kind(context), {})[context] = set(re.split("[:,]", context))
    names = {}
    for kind, words in alike.items():
        shared = set.intersection(*words.values())
        for context, own in words.items():
            apart = ",".join(sorted(own - shared))
            names[context] = f"{kind}:{apart}" if apart else kind
    return names


def _draw(settings: ProbeContext, rows: Sequence[dict[str, Any]]) -> None:
    from ..evaluation.context_figures import draw_learning

    curves: dict[str, dict[int, list[float]]] = {}
    names = _names({row["context"] for row in rows})
    for row in rows:
        curve = curves.setdefault(names[row["context"]], {})
        for part, total in enumerate(row["returns"]):
            if total is not None:
                curve.setdefault(settings.steps * (part + 1) // _PARTS, []).append(total)
    assert settings.picture is not None
    draw_learning(curves, settings.picture, "mean return of episodes, mean and range of seeds")
